"""Paper 001, on the invariance of deep features: probes, pose and rotated digits."""

import dataclasses

import numpy as np

from .entry import counted, Outcome, Run, tested, untestable


digits = "mnist_invariance"

table1 = {
    "AFFACT": ((6.1, 4.6, 5.6, 9.1), 5.8),
    "VGG": ((7.7, 6.3, 7.2, 11.4), 7.4),
    "Deep": ((8.1, 5.8, 5.7, 10.3), 7.5),
    "Triplet": ((10.6, 7.1, 6.7, 13.9), 9.7),
}
"""Mean absolute errors of |yaw| in degrees, of four bins and of all images."""

counts, total = (14_255, 4_527, 872, 268), 19_922


def accuracy(run: Run, net: str, way: str) -> np.ndarray:
    """Percent of the test digits named right by a network, one a seed."""
    return 100 * (1 - run[f"{net}/missed/{way}"])


def near(run: Run, net: str, way: str, published: float, within: float) -> Outcome:
    """Holds if the mean over seeds is no worse than published, up to `within`."""
    ours = accuracy(run, net, way)
    spread = f"{ours.min():.2f} to {ours.max():.2f} over {ours.size} seeds"
    return Outcome(f"{ours.mean():.2f} %", bool(ours.mean() >= published - within), spread)


def by_softmax(run: Run, net: str, published: float, within: float) -> Outcome:
    """As `near`, of mean weights; told as well: the weights of the last minibatch."""
    found = near(run, net, "softmax", published, within)
    last = accuracy(run, net, "softmax, weights of the last minibatch").mean()
    also = f"weights of the last minibatch {last:.2f}; {lengths(run, net)}"
    return dataclasses.replace(found, interval=f"{found.interval}; {also}")


def lengths(run: Run, *nets: str) -> str:
    """For how long networks were trained."""
    return " and ".join(f"{int(run[f'{n}/minibatches']):,}" for n in nets) + " minibatches"


@tested(
    "paper 001, section 4", "LeNet names rotated digits by its softmax", "98.98 %", digits
)
def lenet_softmax(run):
    return by_softmax(run, "LeNet", 98.98, 0.1)


@tested(
    "paper 001, section 4",
    "The nearest mean activation of LeNet names far fewer",
    "89.90 %",
    digits,
)
def lenet_mav(run):
    ours, softmax = (accuracy(run, "LeNet", way) for way in ("MAV", "softmax"))
    fewer = softmax - ours
    spread = f"{fewer.min():.2f} to {fewer.max():.2f} points fewer, published 9.08"
    return Outcome(f"{ours.mean():.2f} %", bool(fewer.min() >= 5), spread)


@tested(
    "paper 001, section 4",
    "Means of each angle, chosen by the angle read off, name more",
    "95.44 %",
    digits,
)
def lenet_per_angle_mav(run):
    return near(run, "LeNet", "per-angle MAV", 95.44, 1)


@tested(
    "paper 001, section 4",
    "Means of each angle name more without the true class, whose regressor is published, too",
    "not published",
    digits,
)
def per_angle_mav_does_not_need_the_label(run):
    ways = "per-angle MAV, leak-free", "per-angle MAV", "MAV"
    free, leaked, plain = (accuracy(run, "LeNet", way) for way in ways)
    return Outcome(
        f"{free.mean():.2f} %, with it {leaked.mean():.2f} %, MAV {plain.mean():.2f} %",
        bool((free > plain).all()),
        f"{(leaked - free).min():.2f} to {(leaked - free).max():.2f} points need it",
    )


@tested("paper 001, section 4", "mu-LeNet's nearest means name digits", "97.18 %", digits)
def mu_lenet_mav(run):
    return near(run, "mu-LeNet", "MAV", 97.18, 0.2)


@tested("paper 001, section 4", "PAIR-LeNet names digits by its softmax", "99.02 %", digits)
def pair_softmax(run):
    return by_softmax(run, "PAIR-LeNet", 99.02, 0.1)


@tested(
    "paper 001, section 4",
    "PAIR-LeNet's nearest means name more digits than LeNet's",
    "94.21 %",
    digits,
)
def pair_mav(run):
    ours, lenet = accuracy(run, "PAIR-LeNet", "MAV"), accuracy(run, "LeNet", "MAV")
    spread = f"{ours.min():.2f} to {ours.max():.2f} over {ours.size} seeds"
    return Outcome(
        f"{ours.mean():.2f} % against {lenet.mean():.2f} %",
        bool(ours.mean() > lenet.mean()),
        spread,
    )


@tested(
    "paper 001, section 4",
    "In order: LeNet's means, PAIR-LeNet's (of each label, or of each label and angle: it is "
    "told both ways), LeNet's of each angle, mu-LeNet's",
    "89.90 94.21 95.44 97.18",
    digits,
)
def order_of_means(run):
    told, held = [], []
    for pair in ("MAV", "label-and-angle MAV"):
        cells = (
            ("LeNet", "MAV"),
            ("PAIR-LeNet", pair),
            ("LeNet", "per-angle MAV"),
            ("mu-LeNet", "MAV"),
        )
        ours = [accuracy(run, *cell).mean() for cell in cells]
        told.append(" ".join(f"{x:.2f}" for x in ours))
        held.append(bool(np.all(np.diff(ours) > 0)))
    return Outcome("; ".join(told), all(held))


@tested(
    "paper 001, section 4",
    "Training for invariance costs no accuracy: PAIR-LeNet's softmax is LeNet's or better",
    "99.02 and 98.98 %",
    digits,
)
def pair_costs_nothing(run):
    nets = "PAIR-LeNet", "LeNet"
    pair, plain = (accuracy(run, net, "softmax") for net in nets)
    gain = pair.mean() - plain.mean()
    ranges = " and ".join(f"{x.min():.2f} to {x.max():.2f} %" for x in (pair, plain))
    return Outcome(
        f"{gain:+.2f} %", bool(gain >= 0), f"{ranges} over seeds; {lengths(run, *nets)}"
    )


def angle_std(run: Run, net: str) -> np.ndarray:
    """Degrees, one a seed, the mean over the seven angles."""
    return run[f"{net}/angle/true class"][:, 1].mean(axis=-1)


@tested(
    "paper 001, section 4",
    "The angle is read off LeNet's features with a standard error of about 15 degrees",
    "15 degrees",
    digits,
)
def angle_error(run):
    ours = angle_std(run, "LeNet")
    return Outcome(
        f"{ours.mean():.1f} degrees",
        bool(abs(ours.mean() - 15) <= 2),
        f"{ours.min():.1f} to {ours.max():.1f}",
    )


@tested(
    "paper 001, section 4",
    "mu-LeNet and PAIR-LeNet tell less of the angle than LeNet",
    "Figure 3",
    digits,
)
def invariant_networks_tell_less(run):
    nets = "LeNet", "mu-LeNet", "PAIR-LeNet"
    means = {net: run[f"{net}/angle/true class"][:, 0] for net in nets}
    # (seeds,) each: 1 if the angle is read off unshrunk, 0 if a constant is.
    slope = {net: (mean[:, -1] - mean[:, 0]) / 90 for net, mean in means.items()}
    told = ", ".join(f"{net} {x.mean():.3f}" for net, x in slope.items())
    less = [(slope[net] < slope["LeNet"]).all() for net in nets[1:]]
    spread = ", ".join(f"{net} {np.ptp(x):.3f}" for net, x in slope.items())
    return Outcome(
        f"slope of the angle read off: {told}", all(map(bool, less)), f"ranges {spread}"
    )


@tested("paper 001, Figure 6", "mu-LeNet's features have rank of about 10", "10", digits)
def mu_lenet_rank(run):
    power = run["mu-LeNet/scree"] ** 2
    beyond = power[:, 10:].sum(axis=1) / power.sum(axis=1)
    lenet = run["LeNet/scree"] ** 2
    other = (lenet[:, 10:].sum(axis=1) / lenet.sum(axis=1)).mean()
    return Outcome(
        f"{100 * beyond.mean():.1f} % of the variance beyond 10 (LeNet {100 * other:.1f} %)",
        bool(beyond.mean() < 0.1 and beyond.mean() < other),
    )


@tested(
    "paper 001, section 5",
    "Reducing class-wise instead of pair-wise distances (left open) makes means better",
    "open",
    digits,
)
def class_wise_is_better(run):
    nets = "class-wise LeNet", "PAIR-LeNet"
    ours, pair = (accuracy(run, net, "MAV").mean() for net in nets)
    told = f"{ours:.2f} % against {pair:.2f} %"
    equally_long = run[f"{nets[0]}/minibatches"] == run[f"{nets[1]}/minibatches"]
    return Outcome(told, bool(ours > pair) if equally_long else None, lengths(run, *nets))


@tested(
    "paper 001, Table 1",
    "The four columns' totals are their bins' weighted means",
    "5.8 7.4 7.5 9.7",
)
def pose_totals():
    ours = {net: float(np.dot(bins, counts)) / total for net, (bins, _) in table1.items()}
    # Bins are rounded to .1, and so is the total: .1 apart at most.
    held = sum(abs(ours[net] - stated) < 0.1 for net, (_, stated) in table1.items())
    return counted(held, len(table1), " ".join(f"{x:.2f}" for x in ours.values()))


@tested("paper 001, Table 1", "The bins hold all images", "19,922")
def pose_counts():
    return Outcome(f"{sum(counts):,}", sum(counts) == total)


@tested(
    "paper 001, Table 1",
    "The triplet embedding tells pose worst in every bin but the third",
    "9.7 degrees",
)
def triplet_tells_least():
    columns = np.array([bins for bins, _ in table1.values()])
    worst = columns.argmax(axis=0) == list(table1).index("Triplet")
    return Outcome(f"worst in {worst.sum()} of 4 bins", bool(worst[[0, 1, 3]].all()))


licence = (
    "CelebA and AFLW need their makers' consent; the experiments read CelebA's format."
)

figure2 = untestable(
    "001-figure-2",
    "paper 001, Figure 2",
    "Errors of 40 attribute probes on three features",
    "40 attributes",
    licence,
)
pose = untestable(
    "001-table-1",
    "paper 001, Table 1",
    "Errors of pose read off four networks",
    "20 numbers",
    licence,
)
affact = untestable(
    "001-affact",
    "paper 001, section 3.1",
    "Probes on deep features come near a network trained end to end (AFFACT)",
    "Figure 2",
    "AFFACT is not at hand; attribute_probes takes its predictions where they are.",
)
