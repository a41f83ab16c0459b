r"""How alike the embedding spaces of N models are, all N x N at once (`jfm.compare`).

An index takes a statistic of the rows and returns a table (N, N):

| index | takes | invariant to | same / unrelated |
|---|---|---|---|
| `linear_cka` | `jfm.joint_moments` | rotation, scale | 1 / above 0, rising with d / n |
| `debiased_cka` | `energy_moments` | rotation, scale | 1 / 0 |
| `mean_cca` | `jfm.joint_moments` | any regular map | 1 / rising with d / n |
| `svcca` | `jfm.joint_moments` | rotation, scale | 1 / rising with d / n |
| `pwcca` | `jfm.joint_moments` | scale; regular maps of the second | 1 / rising |
| `procrustes_distance` | `jfm.joint_moments` | rotation, scale | 0 / up to 1.41 |
| `rsa` | `energy_moments` | rotation, scale | 1 / 0 |
| `rank_rsa` | rows | rotation, lengths | 1 / 0 |
| `mutual_neighbours` | rows | rotation, lengths | 1 / k / (n - 1) |

All but the last two stream: they read sums that batches add to (`jfm.merge`). The last two
go over tiles of rows and never hold an n x n matrix; they alone do not centre spaces.
`classical_mds` lays a table of distances out in a plane.
"""

from ...core.energy import (
    energy_moments as energy_moments,
    EnergyMoments as EnergyMoments,
)
from .canonical import mean_cca as mean_cca, pwcca as pwcca, svcca as svcca
from .kernels import debiased_cka as debiased_cka, linear_cka as linear_cka, rsa as rsa
from .layout import classical_mds as classical_mds, Layout as Layout
from .neighbours import mutual_neighbours as mutual_neighbours
from .procrustes import procrustes_distance as procrustes_distance
from .ranks import rank_rsa as rank_rsa
