"""`TarAtFar` read off the operating points of one map or several."""

import numpy as np

from .accepts import TarAtFar
from .match_counts import scores_of
from .match_points import choose, Points
from .target import count_limits, far_words


def tar_from_points(each: list[Points], n_nan, fars, rule: str, shape) -> TarAtFar:
    """TAR of each map at each target, with axes `(*shape, *q)`; counts are int64."""
    words = far_words(np.asarray(fars, np.float64))
    targets = np.asarray(fars, np.float64).ravel()
    fields = {k: [] for k in ("genuine", "impostor", "key", "limit", "next", "zero", "n")}
    for points in each:
        choices = [choose(points, target, rule) for target in targets.tolist()]
        at = np.array([c.at for c in choices], int)  # of none too
        beside = np.array([c.beside for c in choices], int)
        fields["genuine"].append(points.genuine[at])
        fields["impostor"].append(points.impostor[at])
        fields["key"].append(points.key[at])
        fields["limit"].append(count_limits(points.n_impostor, targets))
        fields["next"].append([points.genuine[beside], points.impostor[beside]])
        fields["zero"].append(points.genuine[choose(points, 0.0, "strict").at])
        fields["n"].append([points.n_genuine, points.n_impostor])
    full = {k: np.array(v) for k, v in fields.items()}
    cells = lambda x: x.reshape(*shape, *words.shape[:-1])
    top = full["key"] == 2**32
    scores = scores_of(np.where(top, 0, full["key"]))
    beyond = [cells(full["next"][:, i]) for i in range(2)]
    return TarAtFar(
        genuine_accepts=cells(full["genuine"]),
        impostor_accepts=cells(full["impostor"]),
        threshold=cells(np.where(top, np.float32(np.inf), scores)),
        supported=cells(full["limit"] > 0),
        genuine_at_zero=full["zero"].reshape(shape),
        n_genuine=full["n"][:, 0].reshape(shape),
        n_impostor=full["n"][:, 1].reshape(shape),
        n_nan=np.asarray(n_nan).reshape(shape),
        target_words=np.broadcast_to(words, (*shape, *words.shape)).copy(),
        beyond=beyond if rule == "interpolate" else None,
        rule=rule,
    )
