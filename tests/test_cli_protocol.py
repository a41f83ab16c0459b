"""`jfacemap verify --protocol` and `identify`, against the library called directly."""

import csv
import json

import jax
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.cli.verdict import describe_draws
from jfacemap.data.ijb import write_ijb
from jfacemap.data.map_file import save
from jfacemap.evaluate.confidence import TarConfidence
from jfacemap.evaluate.wilson import clustered_rate

from .cli_runs import ok, refused, unit


fars = 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A small simulated protocol, rows of it by two models, and a map between these."""
    made = jfm.data.simulate_ijb(jax.random.key(0), scale=0.01, models=1, width=2)
    folder = tmp_path_factory.mktemp("world")
    write_ijb(made.protocol, folder / "meta")
    r = np.random.default_rng(0)
    face = r.normal(size=(made.person.max() + 1, 10))[made.person]
    face += made.noise[:, None] * r.normal(size=face.shape)
    x, y = (np.float32(face @ r.normal(size=(10, d))) for d in (16, 12))
    np.save(folder / "a.npy", x)
    np.save(folder / "b.npy", y)
    used = made.protocol.in_gallery
    m = jfm.fit_linear(jfm.unit(x[used]), jfm.unit(y[used]))
    save(folder / "m.safetensors", m)
    return folder, made.protocol, x, y, m


@pytest.fixture
def inside(world, tmp_path, monkeypatch):
    """Its files, in a folder to write in."""
    for path in world[0].iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return world


def table_of(line, capsys):
    out = ok(capsys, f"{line} --json r.json --csv r.csv")
    with open("r.json") as file:
        found = json.load(file)
    with open("r.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found["table"])
    return out, found


column = lambda found, name: [row[name] for row in found["table"]]
nan = lambda values: np.array([np.nan if v is None else v for v in values])


@pytest.mark.parametrize("side", ("probe", "gallery"))
@pytest.mark.parametrize("rule", ("strict", "nearest"))
def test_verify_is_verify_map(inside, capsys, side, rule):
    _, protocol, x, y, m = inside
    line = "verify a.npy --protocol meta --target b.npy --map m.safetensors"
    out, found = table_of(f"{line} --mapped-side {side} --rule {rule}", capsys)
    truth = jfm.verify_map(m, x, y, protocol, mapped_side=side, fars=fars, rule=rule)
    assert column(found, "target_far") == list(fars)
    np.testing.assert_array_equal(nan(column(found, "tar")), truth.tar.tar)
    np.testing.assert_array_equal(column(found, "far"), truth.tar.far)
    np.testing.assert_array_equal(column(found, "supported"), truth.tar.supported)
    assert found["mapped_side"] == side and not found["table"][-1]["supported"]
    assert (found["n_genuine"], found["n_impostor"]) == (
        protocol.genuine.sum(),
        (~protocol.genuine).sum(),
    )
    assert "1e-06: less than one of" in out and "at no false accept it is" in out
    assert f"{protocol.n_images:,} images" in out


@pytest.mark.parametrize("options", ("", "--detector-scores", "--keep-lengths"))
def test_verify_of_one_model_pools_its_images(inside, capsys, options):
    _, protocol, x, _, _ = inside
    _, found = table_of(f"verify a.npy --protocol meta --fars .1 .01 {options}", capsys)
    plan = jfm.plan_verification(protocol)
    scaled = options != "--keep-lengths"
    weights = protocol.detector_score if options == "--detector-scores" else np.ones(len(x))
    sides = [
        jfm.pool_templates(x[u], g, weights=weights[u], normalize_images=scaled)
        for u, g in zip(plan.rows, plan.grouping, strict=True)
    ]
    scores = np.asarray(jfm.score_pairs(*sides, plan.pairs))
    truth = jfm.tar_at_far(scores, plan.genuine, [0.1, 0.01])
    np.testing.assert_allclose(column(found, "tar"), truth.tar, atol=2e-3)
    assert found["mapped_side"] is None


def test_intervals_draw_subjects_of_probes(inside, capsys):
    _, protocol, x, y, m = inside
    line = "verify a.npy --protocol meta --target b.npy --map m.safetensors --intervals"
    out, found = table_of(f"{line} --seed 3", capsys)
    plan = jfm.plan_verification(protocol)
    scores = np.asarray(jfm.verify_map(m, x, y, plan).scores)
    subject = protocol.subject_of(protocol.pairs[:, 1])
    truth = jfm.subject_confidence(jax.random.key(3), scores, plan.genuine, subject, fars)
    np.testing.assert_allclose(nan(column(found, "tar_low")), truth.lower)
    np.testing.assert_allclose(nan(column(found, "tar_high")), truth.upper)
    who = f"from 200 draws of {truth.n_identities:,} subjects of probes (seed 3); the map"
    assert who in out
    assert "the map" not in ok(capsys, "verify a.npy --protocol meta --intervals")


def test_few_subjects_have_wilsons_interval_too(inside, capsys, monkeypatch):
    _, protocol, x, _, _ = inside
    monkeypatch.setattr("jfacemap.cli.verdict.few_people", 10**6)
    out, found = table_of("verify a.npy --protocol meta --intervals", capsys)
    plan = jfm.plan_verification(protocol)
    m = jfm.identity_map(16)
    scores = np.asarray(jfm.verify_map(m, x, x, plan).scores)[protocol.genuine]
    who = protocol.probe_subject[protocol.genuine]
    supported = [row for row in found["table"] if row["supported"]]
    assert len(supported) > 2
    for row in supported:
        truth = clustered_rate(scores >= row["threshold"] - 1e-6, who)
        ends = row["wilson_low"], row["wilson_high"]
        np.testing.assert_allclose(ends, (truth.lower, truth.upper), atol=5e-3)
        assert ends[0] < row["tar"] < ends[1] and f"{ends[0]:.4f} to" in out
    assert found["draws_skipped"] == 0 and "skipped" not in out


def test_skipped_draws_are_told_of():
    draws = np.full((4, 1), np.nan)
    bands = TarConfidence(draws[0], draws[0], draws[0], draws, 2, 3, 0.95)
    assert "from 4 draws of 2 people (seed 0); 3 of them skipped" in describe_draws(
        bands, "people", 0
    )


def test_verify_of_both_sides_mapped_and_pooled_first(inside, capsys):
    _, protocol, x, y, m = inside
    line = "verify a.npy --protocol meta --map m.safetensors --fars .1 .01"
    out, found = table_of(f"{line} --pool-first --mapped-side both", capsys)
    how = {"mapped_side": "both", "pool_first": True, "fars": [0.1, 0.01]}
    truth = jfm.verify_map(m, unit(x), y, protocol, **how).tar.tar
    np.testing.assert_allclose(column(found, "tar"), truth, atol=2e-3)
    assert found["mapped_side"] == "both" and found["pool_first"]
    assert "both, pooled first" in out
    _, plain = table_of(f"{line} --force", capsys)
    assert plain["mapped_side"] == "both" and not plain["pool_first"]
    assert column(plain, "tar") != column(found, "tar")


def test_a_store_of_rows_is_read_like_an_array(inside, capsys):
    _, protocol, x, _, _ = inside
    jfm.data.EmbeddingStore.from_file("a.npy", "a.zarr", columns={"who": protocol.template})
    line = "--protocol meta --fars .1 .01"
    of = lambda out: out.splitlines()[1:]  # the first names the file
    assert of(ok(capsys, f"verify a.zarr {line}")) == of(ok(capsys, f"verify a.npy {line}"))
    ok(capsys, "apply m.safetensors a.npy -o z.npy")
    ok(capsys, "apply m.safetensors a.zarr -o y.npy")
    np.testing.assert_array_equal(np.load("y.npy"), np.load("z.npy"))
    out = ok(capsys, "info a.zarr")
    assert f"{len(x):,} x 16" in out and "who (int64)" in out
    line = "verify a.npy --labels a.zarr"
    assert "no column 'name'; it has who" in refused(capsys, f"{line}:name")
    assert "name a column" in refused(capsys, line)


def test_a_store_in_another_order_is_brought_into_that_of_the_protocol(inside, capsys):
    """As of a folder of images, sorted by name; and refused if it is of other images."""
    _, protocol, x, _, _ = inside
    order = np.random.default_rng(0).permutation(len(x))
    names = np.char.add("loose_crop/", protocol.image)
    for place, columns in (
        ("s.zarr", {"image": names[order]}),
        ("t.zarr", {"image": order}),
    ):
        np.save("s.npy", x[order])
        jfm.data.EmbeddingStore.from_file("s.npy", place, columns=columns)
        for line in ("verify {} --protocol meta --fars .1", "identify {} --protocol meta"):
            of = lambda name, line=line: ok(capsys, line.format(name)).splitlines()[1:]
            assert of(place) == of("a.npy")
    names[0] = "another.jpg"
    jfm.data.EmbeddingStore.from_file("a.npy", "o.zarr", columns={"image": names})
    assert "another.jpg" in refused(capsys, "verify o.zarr --protocol meta")


@pytest.mark.parametrize("mapped", (True, False))
def test_identify_searches_each_gallery(inside, capsys, mapped):
    _, protocol, x, y, m = inside
    line = "identify b.npy a.npy --map m.safetensors" if mapped else "identify a.npy"
    out, found = table_of(f"{line} --protocol meta", capsys)

    def templates(roster, rows, m=None):
        used = np.isin(protocol.template, roster.template)
        groups = jfm.group_templates(protocol.template[used], protocol.media[used])
        if m is None:
            pooled = jfm.pool_templates(rows[used], groups, normalize_images=True)
        else:
            pooled = jfm.pool_mapped(m, rows[used], groups)
        return pooled, protocol.subject_of(groups.ids)

    probes, whom = templates(protocol.probes, x, m if mapped else None)
    values = []
    for roster in protocol.galleries.values():
        known, who = templates(roster, y if mapped else x)
        truth = jfm.identify(known, probes, who, whom)
        values.append([*truth.hit_rate([1, 5, 10]), *truth.tpir_at_fpir])
    values.append(np.mean(values, axis=0))
    np.testing.assert_allclose(nan(column(found, "value")), np.concatenate(values))
    names = list(protocol.galleries)
    assert column(found, "gallery") == [n for n in (*names, "mean") for _ in range(5)]
    for word in ("rank 5", "TPIR at FPIR 0.01", *names, "mean"):
        assert word in out


@pytest.mark.parametrize("side", ("gallery", "both"))
def test_identify_maps_the_side_it_is_told_to(inside, capsys, side):
    _, protocol, x, y, m = inside
    files = "a.npy b.npy" if side == "gallery" else "a.npy"
    line = f"identify {files} --map m.safetensors --mapped-side {side}"
    out, found = table_of(f"{line} --protocol meta --pool-first --intervals", capsys)
    truth = jfm.identify_map(
        m, unit(x), y, protocol, mapped_side=side, pool_first=True, key=jax.random.key(0)
    )
    values = [*truth.hit_rate([1, 5, 10]), *truth.tpir_at_fpir]
    mean = [row for row in found["table"] if row["gallery"] == "mean"]
    np.testing.assert_allclose(nan([r["value"] for r in mean]), values, atol=5e-3)
    spread = truth.spread["mean"]
    for end in ("lower", "upper"):
        ends = [*getattr(spread.hit_rate, end), *getattr(spread.tpir, end)]
        ours = [row["low" if end == "lower" else "high"] for row in mean]
        np.testing.assert_allclose(nan(ours), ends, atol=1e-2)
    assert found["mapped_side"] == side and f"{side}, pooled first" in out
    assert f"{mean[0]['low']:.4f} to {mean[0]['high']:.4f}" in out
    people = spread.hit_rate.n_identities
    assert f"200 draws of {people:,} people searched for (seed 0)" in out


def test_identify_of_plain_rows(inside, capsys):
    _, protocol, x, _, _ = inside
    who = protocol.subject_of(protocol.template)
    rows = np.flatnonzero(who >= 0)[:600]
    known, searched = rows[::3], np.delete(rows, np.s_[::3])
    searched = searched[np.isin(who[searched], who[known]) | (searched % 2 == 0)]
    strangers = np.setdiff1d(np.flatnonzero(who >= 0), rows)[-50:]
    strangers = strangers[~np.isin(who[strangers], who[known])]
    searched = np.concatenate([searched, strangers])
    for name, part in (("g", known), ("p", searched)):
        np.save(f"{name}.npy", x[part])
        np.save(f"{name}_who.npy", who[part])
    line = "identify g.npy p.npy --gallery-labels g_who.npy --probe-labels p_who.npy"
    line += " --ranks 1 2 --fpirs .5 1e-4 --intervals --seed 2"
    out, found = table_of(line, capsys)
    scores = unit(x[searched].astype(float)) @ unit(x[known].astype(float)).T
    same = who[searched][:, None] == who[known]
    mate = np.where(same, scores, -np.inf).max(axis=1)
    beaten = np.where(same, -np.inf, scores) >= mate[:, None]
    ahead = np.array([np.unique(who[known][row]).size for row in beaten])
    mated = same.any(axis=1)
    assert 0 < mated.sum() < len(mated)
    truth = [(ahead[mated] < rank).mean() for rank in (1, 2)]
    np.testing.assert_allclose(column(found, "value")[:2], truth)
    best = np.sort(np.where(same, -np.inf, scores).max(axis=1)[~mated])[::-1]
    allowed = int(0.5 * len(best))
    threshold = best[allowed]  # strict: everything above the first one too many
    np.testing.assert_allclose(found["table"][2]["value"], (mate[mated] > threshold).mean())
    assert column(found, "value")[3] is None and column(found, "low")[3] is None
    sides = [
        jfm.Templates(np.arange(part.size), np.float32(unit(x[part])))
        for part in (known, searched)
    ]
    search = jfm.identify(*sides, who[known], who[searched], fpirs=(0.5, 1e-4))
    spread = jfm.search_confidence(jax.random.key(2), search, who[searched], ranks=(1, 2))
    ends = np.concatenate([spread.hit_rate.lower, spread.tpir.lower])
    np.testing.assert_allclose(nan(column(found, "low")), ends, atol=1e-3)
    assert "FPIR 0.0001: less than one probe without a mate" in out


plain = "--gallery-labels g_who.npy --probe-labels p_who.npy"


@pytest.mark.parametrize(
    ("line", "message"),
    (
        ("verify few.npy --protocol meta", "few.npy has 5 rows, and the protocol"),
        ("verify a.npy --protocol met", "met does not exist. Did you mean meta?"),
        ("verify a.npy --protocol a.npy", "a.npy is a file: give the folder it is in"),
        ("verify a.npy --protocol empty", "holds NAME_face_tid_mid.txt, NAME being ijbb"),
        ("verify a.npy --protocol meta --target b.npy", "give a --map that ends in width"),
        ("verify a.npy --protocol bare --intervals", "bare has no 1N files"),
        ("verify a.npy --protocol meta --memory 1e-6", "raise the limit"),
        ("verify a.npy --protocol meta --mapped-side gallery", "with a --target"),
        (
            "verify a.npy --protocol meta --target b.npy --mapped-side both",
            "compares A with A: leave the --target out",
        ),
        ("verify a.npy --protocol meta --pool-first", "--pool-first is about a --map"),
        ("verify a.npy --labels g_who.npy --mapped-side both", "is about a --protocol"),
        ("identify a.npy --protocol meta --mapped-side both", "are about a --map"),
        ("identify a.npy --protocol meta --intervals --rule nearest", "--rule strict, not"),
        ("verify a.npy --protocol two", "choose one, as --protocol-name 'more'"),
        ("verify a.npy --protocol whole", "is not the whole of ijbc"),
        ("identify a.npy --protocol bare", "bare has no 1N files"),
        ("identify a.npy", "Give PROBES, --gallery-labels and --probe-labels, or a --prot"),
        (f"identify a.npy --protocol meta {plain}", "leave the labels out"),
        ("identify few.npy --protocol meta", "few.npy has 5 rows"),
        ("identify a.npy --protocol meta --ranks 0", "--ranks takes whole numbers from 1"),
        ("identify a.npy --protocol meta --fpirs 0", "--fpirs takes rates above 0"),
        (f"identify few.npy more.npy {plain}", "Nobody in p_who.npy is in g_who.npy"),
        (f"identify few.npy a.npy {plain}", "p_who.npy 5: give one label a row"),
    ),
)
def test_errors_are_plain_lines(inside, tmp_path, capsys, line, message):
    protocol = inside[1]
    np.save("few.npy", inside[2][:5])
    np.save("more.npy", inside[2][5:10])
    np.save("g_who.npy", np.arange(5))
    np.save("p_who.npy", np.arange(5, 10))
    (tmp_path / "empty").mkdir()
    bare = dict(image=protocol.image, template=protocol.template, media=protocol.media)
    bare |= dict(pairs=protocol.pairs, genuine=protocol.genuine)
    if "bare" in line or "two" in line or "whole" in line:
        for place in ("bare/one", "two/one", "two/more", "whole/ijbc"):
            folder, name = place.split("/")
            write_ijb(jfm.data.Protocol(name=name, **bare), folder)
    assert message in refused(capsys, line)
