"""Real data: what ships with the package, and readers for what a user brings."""

from ..core.mesh_rows import MeshRows as MeshRows
from .align import align_face as align_face
from .arrays import (
    InputError as InputError,
    read_array as read_array,
    read_labels as read_labels,
    read_rows as read_rows,
)
from .celeba import CelebA as CelebA, read_celeba as read_celeba
from .classifiers import Classifier as Classifier, read_classifiers as read_classifiers
from .faces import Faces as Faces, load_faces as load_faces
from .ijb import read_ijb as read_ijb, write_ijb as write_ijb
from .image_edits import Edit as Edit, edits as edits, render as render
from .images import Images as Images, open_images as open_images
from .lattice import (
    JoinedFields as JoinedFields,
    Lattice as Lattice,
    read_lattice as read_lattice,
    write_lattice as write_lattice,
)
from .map_file import MapHeader as MapHeader, read_header as read_header
from .mnist import load_mnist as load_mnist, Mnist as Mnist
from .model_folder import ModelRows as ModelRows, open_models as open_models
from .moments_file import load_moments as load_moments, save_moments as save_moments
from .preprocess import Preprocess as Preprocess, presets as presets
from .protocol import Protocol as Protocol, Roster as Roster
from .simulate import simulate_ijb as simulate_ijb, SimulatedIjb as SimulatedIjb
from .split import split_identities as split_identities
from .store import EmbeddingStore as EmbeddingStore
from .store_join import join_stores as join_stores
