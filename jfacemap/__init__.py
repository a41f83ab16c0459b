"""jfacemap: do two embedding models see the same thing, and what is the map between?"""

from .core.factor import pair_factor as pair_factor, PairFactor as PairFactor
from .core.maps import (
    AbstractMap as AbstractMap,
    AffineMap as AffineMap,
    compose as compose,
    identity_map as identity_map,
    LinearMap as LinearMap,
    LowRankMap as LowRankMap,
    RotationMap as RotationMap,
    SimilarityMap as SimilarityMap,
    Standardize as Standardize,
)
from .core.moments import (
    joint_moments as joint_moments,
    JointMoments as JointMoments,
    pair_moments as pair_moments,
    PairMoments as PairMoments,
)
from .core.monoid import merge as merge
from .fit.all_pairs import fit_all_pairs as fit_all_pairs, PairMaps as PairMaps
from .fit.closed_form import (
    fit_affine as fit_affine,
    fit_linear as fit_linear,
    solve_affine as solve_affine,
    solve_linear as solve_linear,
)
from .fit.diagnose import diagnose as diagnose, FitInfo as FitInfo
from .fit.rotation import (
    fit_rotation as fit_rotation,
    fit_similarity as fit_similarity,
    solve_rotation as solve_rotation,
    solve_similarity as solve_similarity,
)
from .fit.standardize import fit_standardize as fit_standardize
