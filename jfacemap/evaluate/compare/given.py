"""What an index is given: the statistic it reads, and nothing else."""

from ...core.energy import EnergyMoments
from ...core.moments import JointMoments


def check_joint(joint, name: str) -> None:
    """Raise `ValueError` unless these are joint moments."""
    if not isinstance(joint, JointMoments):
        raise ValueError(
            f"{name} takes jfm.joint_moments of the models; got {type(joint).__name__}."
        )


def check_energies(moments, name: str) -> None:
    """Raise `ValueError` unless these are moments up to the fourth order."""
    if not isinstance(moments, EnergyMoments):
        raise ValueError(
            f"{name} takes compare.energy_moments of the models; got "
            f"{type(moments).__name__}."
        )
