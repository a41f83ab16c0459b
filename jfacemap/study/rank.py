r"""How many dimensions of a linear map carry it (paper 000, section 6).

Of all maps of rank r the one nearest to the target in least squares is the least squares
map W followed by a projection: $W V_r V_r'$ with $V_r$ the first r eigenvectors of
$W' X'X W$, the directions in which mapped rows vary most (reduced-rank regression;
Izenman, 1975).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..core.linalg import matmul
from ..core.maps import LinearMap
from ..core.moments import JointMoments
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from ..fit.all_pairs import fit_all_pairs, PairMaps


class RankPath(eqx.Module):
    """Linear maps of all pairs at every rank.

    - `maps`: of full rank, as `fit_all_pairs(joint, "linear")` has them
    - `bases[i][j] (k, k)`: orthonormal columns of the target space, in falling order of
      what mapped rows have along them
    """

    maps: PairMaps
    bases: tuple[tuple[Float[Array, "_ _"], ...], ...]

    def at(self, rank: int | Int[Numeric, ""]) -> PairMaps:
        """The maps of rank at most `rank`; one program for all ranks."""
        return _truncate(self, jnp.asarray(rank, jnp.int32))


def rank_path(joint: JointMoments) -> RankPath:
    """Least squares maps of every rank between all models, from their joint moments."""
    maps = fit_all_pairs(joint, "linear")
    return RankPath(maps, _bases(joint, maps))


def _bases_kernel(dtype, joint, maps):
    joint, maps = widen((joint, maps), dtype)
    every = range(len(joint.dims))

    def basis(i, j):
        a, weight = joint.columns[i], maps[i, j].weight
        mean = joint.mean[a]
        products = joint.scatter[a, a] + joint.mass * jnp.outer(mean, mean)
        mapped = matmul(weight.T, matmul(products, weight))
        return jnp.linalg.eigh(mapped)[1][:, ::-1]

    return tuple(tuple(basis(i, j) for j in every) for i in every)


_bases = in_float64(_bases_kernel)


@jax.jit
def _truncate(path: RankPath, rank) -> PairMaps:
    def cut(m, basis):
        kept = jnp.arange(basis.shape[1], dtype=jnp.int32) < rank
        projection = matmul(jnp.where(kept[None], basis, 0), basis.T)
        return LinearMap(matmul(m.weight, projection))

    rows = zip(path.maps.table, path.bases, strict=True)
    table = tuple(tuple(map(cut, *row)) for row in rows)
    return PairMaps(table, path.maps.names)
