"""The ledger's entries, and its verdicts on runs made up for the purpose."""

import importlib.util
import json

import numpy as np
import pytest

from experiments import claims
from experiments.ledger import ledger
from experiments.ledger.entry import Claim, counted, Outcome, read_runs, Run
from experiments.tables import off_diagonal, own


def save_run(folder, experiment, source, table="kind\nlinear\n", **arrays):
    folder.mkdir(parents=True)
    record = {"experiment": experiment, "data": {"source": source}, "config": {}}
    (folder / "record.json").write_text(json.dumps(record))
    np.savez(folder / "results.npz", **arrays)
    (folder / "results.csv").write_text(table)


def test_every_entry_has_a_name_of_its_own_and_a_test_or_a_reason():
    names = [claim.name for claim in ledger]
    assert len(set(names)) == len(names) >= 60
    for claim in ledger:
        assert claim.says and claim.source and (claim.test is None) == bool(claim.why)
        if claim.experiment is not None:
            assert importlib.util.find_spec(f"experiments.{claim.experiment}"), claim.name


def test_what_published_tables_decide_is_recomputed():
    lines = [claims.judge(c, {}) for c in ledger if c.test and c.experiment is None]
    verdicts = {line.claim.name: line.verdict for line in lines}
    assert verdicts["000-native-mean"] == verdicts["000-order-of-models"] == "holds"
    assert verdicts["002-stated-median"] == "fails"
    assert verdicts["002-percents-are-those-of-accuracies"] == "fails"
    assert {line.data for line in lines if "TAR" in line.claim.says} == {"published tables"}


def test_a_run_decides_unless_it_is_missing_or_simulated(tmp_path):
    claim = next(c for c in ledger if c.name == "000-unmapped-is-random")
    assert claims.judge(claim, {}).verdict == "no run"
    tar = np.full((2, 2, 1), 0.9)
    for source, off, verdict in (("real", 0.01, "holds"), ("real", 0.5, "fails"),
                                 ("simulated", 0.01, "untestable here")):  # fmt: skip
        tar[0, 1] = tar[1, 0] = off
        folder = tmp_path / f"{source} {off}"
        arrays = {"identity/tar": tar, "fars": np.array([0.01])}
        table = "kind,genuine\nidentity,50\n"
        save_run(folder / "run", "canonical_faces", source, table, **arrays)
        assert claims.judge(claim, read_runs([folder])).verdict == verdict


def verdict_on(name, **arrays):
    claim = next(c for c in ledger if c.name == name)
    run = Run(claim.experiment, "real", arrays, [])
    return claims.judge(claim, {claim.experiment: run}).verdict


@pytest.mark.parametrize(
    "sizes, rank1, verdict",
    [
        ((64, 512), (0.2, 0.4), "untestable here"),  # a thousand pairs were not tried
        ((64, 512), (0.2, 0.6), "fails"),
        ((64, 1024), (0.2, 0.6), "holds"),
        ((64, 1024), (0.2, 0.4), "holds"),
    ],
)
def test_around_a_thousand_pairs_takes_runs_of_so_many(sizes, rank1, verdict):
    values = np.broadcast_to(np.array(rank1)[:, None, None, None], (1, 2, 2, 2, 4))
    arrays = {"sizes": np.array(sizes), "names": np.array(["a", "b"])}
    arrays["pairs/ridge"] = values
    assert verdict_on("000-takes-a-thousand-pairs", **arrays) == verdict


@pytest.mark.parametrize(
    "sizes, linear, verdict",
    [
        ((64, 1021), (0.2, 0.3), "untestable here"),  # nothing from 1,024 on
        ((64, 1021), (0.2, 0.7), "fails"),
        ((64, 2048), (0.2, 0.7), "holds"),
        ((64, 2048), (0.2, 0.3), "fails"),
    ],
)
def test_linear_maps_ahead_takes_runs_of_so_many_pairs(sizes, linear, verdict):
    table = lambda x: np.broadcast_to(np.reshape(x, (2, 1, 1, 1, 1)), (2, 3, 2, 2, 1))
    arrays = {"sizes": np.array(sizes), "fars": np.array([0.01])}
    arrays |= {"linear": table(linear), "rotation": table((0.4, 0.5))}
    assert verdict_on("000-rotation-is-ahead-below", **arrays) == verdict


@pytest.mark.parametrize("gain, verdict", [(0.0, "holds"), (0.1, "fails")])
def test_centring_decides_by_the_kind_it_lifts_most(gain, verdict):
    tar = np.random.default_rng(0).random((4, 3, 3)) / 2
    kinds = "linear", "ridge", "rotation"
    arrays = {f"{way}/{kind}": tar for way in ("plain", "both sides") for kind in kinds}
    arrays |= {"both sides/ridge": tar + gain, "random point/rotation": tar - 0.2}
    assert verdict_on("000-translation-carries-nothing", **arrays) == verdict


def test_an_array_that_is_gone_is_an_error(tmp_path, capsys):
    save_run(tmp_path / "run", "canonical_faces", "real", fars=np.array([0.01]))
    with pytest.raises(SystemExit):
        claims.run(claims.Config(runs=(tmp_path,)))
    assert "000-unmapped-is-random: canonical_faces has no array" in capsys.readouterr().out


def test_a_whole_ledger_needs_every_run(tmp_path, capsys):
    with pytest.raises(SystemExit):
        claims.run(claims.Config(runs=(tmp_path,), whole=True))
    told = capsys.readouterr().out
    assert told.startswith("no run of ") and "canonical_faces" in told


def test_the_page_has_a_line_for_every_claim(tmp_path):
    results = claims.run(claims.Config(runs=(tmp_path,), page=tmp_path / "claims.md"))
    text = (tmp_path / "claims.md").read_text()
    assert text.count("\n| ") == len(ledger) + 1 and "| no run |" in text
    assert sum(int(results.arrays[v]) for v in claims.verdicts) == len(ledger)


def test_cells_and_counts():
    table = np.arange(9).reshape(3, 3)
    assert off_diagonal(table).tolist() == [1, 2, 3, 5, 6, 7]
    assert own(table).tolist() == [0, 4, 8]
    assert counted(3, 3) == Outcome("3 of 3", True) and not counted(0, 0).holds
    assert not counted(2, 3, "why").holds and counted(2, 3, "why").value == "2 of 3; why"
    assert Claim("n", "s", "says", "", None, None, "why").function == ""
