"""Slow and obvious: every rule from scikit-learn's curve, in float64 NumPy."""

import warnings

import numpy as np
from sklearn.metrics import roc_curve


rules = "strict", "nearest", "insightface", "interpolate"


def tar_at_far(scores, genuine, far, rule):
    """Accept counts, threshold and TAR at one target; TAR as if it were supported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class may be missing
        fars, tars, thresholds = roc_curve(
            genuine, scores, drop_intermediate=rule == "insightface"
        )
    if rule in ("nearest", "insightface"):
        distance = np.abs(fars - far)
        i = np.flatnonzero(distance == distance.min())[-1]
    else:
        i = np.flatnonzero(fars <= far)[-1]
    accepted = scores >= thresholds[i]
    tar = np.interp(far, fars, tars) if rule == "interpolate" else tars[i]
    return sum(accepted & genuine), sum(accepted & ~genuine), thresholds[i], tar
