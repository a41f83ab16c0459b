"""Thesis 002, *Same Data, Same Features*."""

import dataclasses

import numpy as np

from jfacemap.study import published_swap as printed

from ..tables import off_diagonal, own
from .entry import counted, Outcome, tested, untestable


swap = "classifier_swap"


def changes(run, kind: str) -> np.ndarray:
    """Percent by which each swap changes the source's own accuracy, off the diagonal."""
    return off_diagonal(printed.percent_changes(run[f"accuracy/{kind}"]))


@tested("thesis 002, section 5.4", "An affine map costs little: the median change of "
        "accuracy is -1.90 % (of 1.3 million images; here of fewer rows than the features "
        "are wide, which decides nothing unless it holds)", "-1.90 %", swap)  # fmt: skip
def affine_costs_little(run):
    ours = changes(run, "affine, ridge")
    spread = f"{ours.min():+.1f} to {ours.max():+.1f} % over pairs of networks"
    holds = True if np.median(ours) >= -1.9 else None
    return Outcome(f"{np.median(ours):+.2f} %", holds, spread)


@tested("thesis 002, section 5.4", "The worst change is -11.6 %", "-11.6 %", swap)
def worst_change(run):
    ours = changes(run, "affine, ridge").min()
    return Outcome(f"{ours:+.1f} %", True if ours >= -11.6 else None)


@tested("thesis 002, section 5.4", "No swap beats both classifiers", "none of 90", swap)
def none_beats_both(run):
    table = run["accuracy/affine, ridge"]
    best = np.maximum(*np.meshgrid(own(table), own(table)))
    cells = off_diagonal(table <= best)
    found = counted(int(cells.sum()), cells.size)
    alive = off_diagonal(table).mean() >= 0.5 * own(table).mean()
    return found if alive else dataclasses.replace(found, holds=None)


@tested("thesis 002, section 5.6", "Cut or padded features are useless to another classifier",
        "at best .27 %", swap)  # fmt: skip
def naive_fails(run):
    ours = off_diagonal(run["accuracy/naive"]).max()
    return Outcome(f"at best {ours:.2f} %", bool(ours < 1))


@tested("thesis 002, Table 5.3", "Through logit maps every classifier does as well as the "
        "source's own: rows are constant", "constant rows", swap)  # fmt: skip
def logit_maps_have_constant_rows(run):
    table = run["accuracy/logits"]
    apart = np.abs(table - own(table)[:, None]).max()
    return Outcome(f"at most {apart:.2f} % from constant", bool(apart <= 0.2))


@tested("thesis 002, section 5.5", "Logit maps do better than affine maps fitted on features",
        "all pairs", swap)  # fmt: skip
def logits_beat_affine(run):
    better = off_diagonal(run["accuracy/logits"] >= run["accuracy/affine, ridge"])
    return counted(int(better.sum()), better.size)


@tested("thesis 002, section 5.5", "Networks share more than their logits force (left open): "
        "what no logit sees of one is predicted by another", "open", swap)  # fmt: skip
def more_than_logits_is_shared(run):
    unseen, null = run["parts"][:, 2, 1], run["parts/null"][:, 2, 1]
    value = f"held-out R2 {unseen.mean():.2f}, of random pairs {null.mean():.2f}"
    spread = f"{unseen.min():.2f} to {unseen.max():.2f} over pairs of networks"
    return Outcome(value, bool(unseen.min() > max(0.05, null.max())), spread)


def summary() -> dict[str, float]:
    return printed.summarise_changes(printed.table52)


@tested(
    "thesis 002, Table 5.2", "The median change over all mappings is -1.90 %", "-1.90 %"
)
def stated_median():
    found = summary()
    mapped, every = found["median, mapped pairs"], found["median, all cells"]
    return Outcome(f"{mapped:.2f} % off the diagonal, {every:.2f} % over all cells",
                   abs(mapped - printed.stated_median) < 0.015)  # fmt: skip


@tested("thesis 002, Table 5.2", "How many swaps beat the target's own classifier, and both "
        "(our count of its cells: 38 and 0)", "not published")  # fmt: skip
def some_beat_the_target():
    found, table = summary(), printed.table52
    best = np.maximum(*np.meshgrid(own(table), own(table)))
    both = int(off_diagonal(table > best).sum())
    value = f"{found['beat target']:.0f} of {found['mapped pairs']:.0f}, {both} both"
    return Outcome(value, found["beat target"] == 38 and both == 0)


@tested("thesis 002, Table 5.2", "The worst of the table is -11.6 %", "-11.6 %")
def worst_of_table():
    worst = summary()["worst"]
    return Outcome(f"{worst:.2f} %", abs(worst + 11.6) < 0.02)


@tested("thesis 002, Table 5.2", "The percents of change are those of the accuracies",
        "100 cells")  # fmt: skip
def percents_are_those_of_accuracies():
    wrong = printed.misprints(printed.table52, printed.printed_changes)
    names = [n.name for n in printed.table51]
    where = "; ".join(f"{names[i]} to {names[j]}" for i, j in wrong)
    return counted(100 - len(wrong), 100, where)


@tested("thesis 002, Table 5.1", "Accuracies measured are those reported, within 2 %",
        "10 networks")  # fmt: skip
def local_accuracies():
    near = [abs(n.local - n.reported) <= 2 for n in printed.table51]
    return counted(sum(near), len(near))


@tested("thesis 002, Table 5.2", "The diagonal is the accuracy of Table 5.1", "10 networks")
def diagonal_is_table51():
    local = np.array([n.local for n in printed.table51])
    near = np.abs(own(printed.table52) - local) <= 0.051
    return counted(int(near.sum()), near.size)


@tested("thesis 002, section 5.4", "Better networks lose less as sources: change rises with "
        "accuracy", "said of Table 5.2")  # fmt: skip
def better_sources_lose_less():
    mean = printed.percent_changes(printed.table52).sum(axis=1) / 9
    accuracy = own(printed.table52)
    r = float(np.corrcoef(accuracy, mean)[0, 1])
    return Outcome(f"correlation {r:.2f}", r > 0)


needs = "ImageNet's images need a licence; classifier_swap reads features where they are."
table52 = untestable(
    "002-table-5-2", "thesis 002, Table 5.2", "Accuracy of 90 swaps among ten networks",
    "100 numbers", needs,
)  # fmt: skip
table53 = untestable(
    "002-table-5-3", "thesis 002, Table 5.3", "Accuracy of 90 swaps by logit maps",
    "100 numbers", needs,
)  # fmt: skip
