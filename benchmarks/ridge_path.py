"""All ridges and their cross-validated errors, against scikit-learn's RidgeCV.

By its search over the same folds; by a loop of Ridge; and by what it does when it is given
no folds, each row left out in turn from one decomposition: the quickest of them, of another
error, by which it may choose another ridge. It is judged by the map of its own choice.
"""

import functools as ft

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import KFold

import jfacemap as jfm

from . import simulate
from .harness import race, Row, Side, Size
from .report import launch
from .truth import least_squares, relative_error


folds, ridges = 5, 13


def run(size: Size) -> list[Row]:
    """The same penalties, folds and rows on both sides, and the same one chosen."""
    x, y = simulate.embeddings(size, 100, models=2)
    a, b = (rows.astype(np.float64) for rows in (x, y))
    grid = np.asarray(jfm.ridge_grid(jfm.pair_moments(x, y), ridges, low=1e-6, high=1.0))
    x, y = map(jnp.asarray, (x, y))
    alphas, split = grid.astype(np.float64), KFold(folds)
    plain = "neg_mean_squared_error"

    def by_sklearn():
        model = RidgeCV(alphas, cv=split, scoring=plain).fit(a, b)
        return model.alpha_, np.asarray(model.coef_).T

    def by_rows():
        """Errors of each row left out, by one decomposition of all rows."""
        model = RidgeCV(alphas, cv=None).fit(a, b)
        return model.alpha_, np.asarray(model.coef_).T

    def by_loop():
        """What RidgeCV does, without its grid search: one fit a fold and ridge."""
        error = np.zeros(len(alphas))
        for train, held in split.split(a):
            for i, alpha in enumerate(alphas):
                model = Ridge(alpha, solver="cholesky").fit(a[train], b[train])
                error[i] += np.sum((model.predict(a[held]) - b[held]) ** 2)
        best = alphas[np.argmin(error)]
        return best, np.asarray(Ridge(best, solver="cholesky").fit(a, b).coef_).T

    def ours():
        path = jfm.fit_ridge_path(x, y, grid, folds=folds)
        return path.ridge, path.map.weight

    @ft.cache
    def bordered(alpha: float):
        """By QR of the rows and the penalty, which neither side uses."""
        d = a.shape[1]
        rows = np.concatenate([a - a.mean(axis=0), np.sqrt(alpha) * np.eye(d)])
        return least_squares(rows, np.concatenate([b - b.mean(axis=0), np.zeros((d, d))]))

    chosen = float(ours()[0])

    def own_error(result):
        alpha, weight = result
        return relative_error(weight, bordered(float(alpha)))

    def error(result):
        """Infinite, should another ridge have been chosen."""
        alpha, weight = result
        same = np.isclose(float(alpha), chosen, rtol=1e-5)
        return relative_error(weight, bordered(chosen)) if same else np.inf

    theirs, loop, path = "sklearn RidgeCV", "sklearn Ridge, a loop", "fit_ridge_path"
    one_out = "sklearn RidgeCV, leave one out"
    sides = {
        theirs: Side(by_sklearn, error),
        loop: Side(by_loop, error),
        one_out: Side(by_rows, own_error),
        path: Side(lambda: jax.block_until_ready(ours()), error),
    }
    n, d = a.shape
    task = f"{ridges} ridges x {folds} folds, {n} x {d} to {d}"
    times = race(sides, min(size.rounds, 3))
    return [Row(task, times, path, baseline=peer) for peer in (theirs, loop, one_out)]


if __name__ == "__main__":
    launch(run)
