"""Predictions of the benchmark `scaling`, by hand."""

import pytest

from benchmarks.predict import Chip, moments_work, numbers_summed, Work


chip = Chip("mine", 100, 8, memory=60, link=10, network=1, together=4)
work = Work("job", flops=800, summed=5, shared=64, held=2, efficiency=0.5)


@pytest.mark.parametrize(
    "p, seconds, needs",
    (
        (1, 800 / 50, 64 + 16),
        (4, 200 / 50 + 2 * 3 / 4 * 40 / 10, 16 + 16),
        (8, 100 / 50 + 2 * 7 / 8 * 40 / 1, 8 + 16),
    ),
)
def test_time_and_memory(p, seconds, needs):
    assert work.seconds(p, chip) == pytest.approx(seconds)
    assert work.needs(p, chip) == needs
    told = f"needs {needs / 1e9:.3g} GB" if needs > 60 else f"{seconds:.3g} s"
    assert work.told(p, chip) == told


def test_moments_of_pairs_are_many_small_ones():
    """What is added up is known to be what a compiled program adds: see `eight_devices`."""
    assert numbers_summed([2, 3]) == (2 * 5 + 3 * 3) + 7 + 6
    assert numbers_summed([512]) == (256 * 512 + 256 * 256) + 514 + 513
    at_once = moments_work("", 100, 10 * [64], 3, 0.5)
    pairs = moments_work("", 100, 2 * [64], 3, 0.5, times=45)
    assert pairs.flops / at_once.flops == pytest.approx(45 * 4 / 100)
    assert at_once.needs(1, chip) == 4 * 100 * 640 + 8 * 3 * 640**2
