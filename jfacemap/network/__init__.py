"""Training of small networks, for what invariance costs (paper 001, section 4)."""

from .checkpoint import load_training as load_training, save_training as save_training
from .features import extract as extract
from .lenet import (
    Activations as Activations,
    apply_lenet as apply_lenet,
    init_lenet as init_lenet,
    layers as layers,
    LeNet as LeNet,
)
from .objective import (
    AbstractObjective as AbstractObjective,
    Classes as Classes,
    Digits as Digits,
    Means as Means,
    Pairs as Pairs,
    Softmax as Softmax,
)
from .rotate import angles as angles, rotate_images as rotate_images
from .solver import CaffeSolver as CaffeSolver
from .train import (
    start_training as start_training,
    train as train,
    TrainState as TrainState,
)
