"""`jfacemap energy`: what it prints is what the library computes."""

import csv
import json

import numpy as np
import pytest

import jfacemap as jfm

from .cli_runs import ok, refused


@pytest.fixture
def lattice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    base = np.arange(12) * 5
    curves = [np.stack([base + 1 + 2 * a, base, base + 2 + 2 * a], 1) for a in range(2)]
    made = jfm.data.Lattice(("0", "age"), tuple(curves), (np.arange(12),) * 2)
    jfm.data.write_lattice(made, "curves.csv")
    people = {}
    for name in ("ann", "bob"):
        people[name] = rng.normal(size=(60, 8)).astype(np.float32)
        np.save(f"{name}.npy", people[name])
    return made, people


def test_energies_of_all_are_printed_and_written(lattice, capsys):
    made, people = lattice
    out = ok(capsys, "energy curves.csv ann.npy bob.npy --k 2 4 --nulls 5 --csv e.csv")
    assert "scale 2" in out and "scale 4" in out and "age" in out
    with open("e.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 2
    p, v = made.field("age", people["bob"])
    wanted = jfm.field_energy(p, v, neighbours=jfm.KNearest(4)).energy
    (row,) = [r for r in rows if (r["identity"], r["attribute"], r["scale"])
              == ("bob.npy", "age", "4")]  # fmt: skip
    assert float(row["energy"]) == pytest.approx(float(wanted), abs=1e-5)
    assert np.isfinite(float(row["z"]))
    found = jfm.field_energy(p, v, neighbours=jfm.KNearest(4))
    wanted = {"pooled": found.pooled, "neighbours": 4, "gravity": jfm.gravity(p, v).mean}
    for name, value in wanted.items():
        assert float(row[name]) == pytest.approx(float(value), abs=1e-5)
    ok(capsys, "energy curves.csv bob.npy --k 2 4 --nulls 5 --null gaussian --json g.json")
    of_random = json.loads(open("g.json").read())
    z = [r["z"] for r in of_random["table"] if (r["attribute"], r["scale"]) == ("age", "4")]
    assert of_random["null"] == "gaussian" and abs(z[0] - float(row["z"])) > 1e-6


def test_balls_json_and_kept_results(lattice, capsys):
    line = "energy curves.csv ann.npy --neighbours ball --eps 0.5 1 --include-self --keep d"
    ok(capsys, f"{line} --json e.json")
    found = json.loads(open("e.json").read())
    assert found["scales"] == ["0.5", "1"] and found["include_self"]
    assert found["table"][0]["z"] is None
    ok(capsys, f"{line} --json e.json --force")
    other = line.replace("0.5 1", "0.5 2")
    for wrong in ("energy curves.csv ann.npy --keep d", other):
        assert "another way (neighbours)" in refused(capsys, f"{wrong} --json f.json")


def test_what_is_wrong_is_told_in_a_line(lattice, capsys):
    assert "does not exist" in refused(capsys, "energy none.csv ann.npy")
    assert "does not exist" in refused(capsys, "energy curves.csv none.npy")
    np.save("short.npy", np.ones((7, 8), np.float32))
    assert "rows up to 59" in refused(capsys, "energy curves.csv short.npy")
    assert "--include-self is of balls" in refused(
        capsys, "energy curves.csv ann.npy --include-self"
    )
    assert "--nulls is 0, or 2" in refused(capsys, "energy curves.csv ann.npy --nulls 1")
    assert "above 0" in refused(
        capsys, "energy curves.csv ann.npy --neighbours ball --eps 0"
    )
    assert "given twice" in refused(capsys, "energy curves.csv ann.npy ann.npy")
