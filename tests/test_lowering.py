"""Every public function compiles for accelerators, and for TPU without float64.

Float64 lowers for TPU without an error and is not there: it has to be kept out of the
text. Nothing here runs; rows are only shapes.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.attribute.dimension import tree_length
from jfacemap.attribute.discriminate import fit_logistic
from jfacemap.attribute.histogram import _compiled as _histogram
from jfacemap.attribute.relabel import _statistics
from jfacemap.evaluate.identify import _search_tile
from jfacemap.evaluate.match_counts import bins
from jfacemap.evaluate.match_tiles import _count_in_tile, _count_tile
from jfacemap.evaluate.rules import rules
from jfacemap.evaluate.scoring import plan_pairs, score_all


of = jax.eval_shape
shape = lambda *dims: jax.ShapeDtypeStruct(dims, jnp.float32)
x, y, z, w, scalar = shape(20, 6), shape(20, 6), shape(20, 4), shape(20), shape()

join = lambda *rows, **options: jfm.joint_moments(rows, **options)
pair, factor = of(jfm.pair_moments, x, z), of(jfm.pair_factor, x, z)
joint, square = of(join, x, y, z), of(jfm.pair_moments, x, y)

folds = of(lambda x, z: jfm.group_moments(x, z, np.arange(20) % 3), x, z)
factors = of(jax.vmap(jfm.pair_factor), shape(3, 20, 6), shape(3, 20, 4))

rotation = of(jfm.RotationMap, shape(6, 6))
maps = (
    of(jfm.LinearMap, shape(6, 6)),
    of(jfm.AffineMap, shape(6, 4), shape(4)),
    rotation,
    of(jfm.SimilarityMap, shape(6, 6), scalar, shape(6)),
    of(jfm.LowRankMap, shape(6, 2), shape(2, 4), shape(4)),
    of(jfm.Standardize, shape(6), shape(6, 6)),
)
bent = of(lambda: jfm.mlp_map(jax.random.key(0), jfm.identity_map(6), 3))

ids, rows = np.arange(20), np.arange(20, dtype=np.int32)
both = jfm.Templates(ids, np.zeros((20, 6))), jfm.Templates(ids, np.zeros((20, 6)))
plan = plan_pairs(*both, np.stack([ids, ids], axis=1))
scores, genuine = shape(20, 20), jax.ShapeDtypeStruct((20, 20), bool)
by_identity, some_key = jfm.pair_by_identity(ids // 2, ids // 2), jax.random.key(0)
table, fars = of(lambda joint: jfm.fit_all_pairs(joint, "linear"), joint), (1e-1, 1e-2)

energy, two = of(lambda *rows: jfm.compare.energy_moments(rows), x, z), of(join, x, z)
heads = [jfm.Head(np.ones((d, 5), np.float32), np.ones(5, np.float32)) for d in (6, 4)]
space = of(jfm.fit_canonical, two)

neighbourhoods = jfm.KNearest((2, 3)), jfm.Ball(0.5), jfm.RelativeBall(0.5), jfm.AllPairs()
labels = jax.ShapeDtypeStruct((20,), jnp.int32)
svm = of(jfm.fit_svm, x, shape(20, 3), shape(2))

weighted = lambda fit: lambda x, y, w, ridge: fit(x, y, weights=w, ridge=ridge)
all_pairs = lambda kind: lambda joint: jfm.fit_all_pairs(joint, kind)
few = lambda kind: lambda *rows: jfm.fit_few_rows(rows, kind)
pool = lambda x, w: jfm.pool_templates(x, jfm.group_templates(ids // 2, ids), weights=w)
pool_through = lambda m, x, w: jfm.pool_mapped(
    m, x, jfm.group_templates(ids // 2, ids), weights=w
)
score = lambda a, b: jfm.score_pairs(jfm.Templates(ids, a), jfm.Templates(ids, b), plan)
tar = lambda rule: lambda scores, genuine: jfm.tar_at_far(scores, genuine, fars, rule=rule)

cases = {
    "fit_linear": (jfm.fit_linear, x, z),
    "fit_linear weighted": (weighted(jfm.fit_linear), x, z, w, scalar),
    "fit_affine": (jfm.fit_affine, x, z),
    "fit_affine weighted": (weighted(jfm.fit_affine), x, z, w, scalar),
    "fit_rotation": (jfm.fit_rotation, x, y),
    "fit_rotation unequal": (jfm.fit_rotation, x, z),
    "fit_similarity": (jfm.fit_similarity, x, y),
    "fit_linear vmapped": (jax.vmap(jfm.fit_linear), shape(3, 20, 6), shape(3, 20, 4)),
    "fit_linear gradient": (jax.grad(lambda x, y: jfm.fit_linear(x, y).weight.sum()), x, y),
    "fit_rotation vmapped": (jax.vmap(jfm.fit_rotation), shape(3, 20, 6), shape(3, 20, 6)),
    "fit_standardize": (jfm.fit_standardize, x),
    "fit_standardize whiten": (lambda x: jfm.fit_standardize(x, whiten=True), x),
    "pair_moments": (jfm.pair_moments, x, z, w),
    "pair_moments in chunks": (jfm.pair_moments, shape(3000, 6), shape(3000, 4)),
    "fit_linear in chunks": (jfm.fit_linear, shape(3000, 6), shape(3000, 4)),
    "joint_moments in chunks": (join, shape(3000, 6), shape(3000, 300)),
    "pair_factor": (jfm.pair_factor, x, z, w),
    "joint_moments": (join, x, y, z),
    "pair_moments float32": (lambda *r: jfm.pair_moments(*r, precision="float32"), x, z),
    "joint_moments float32": (lambda *rows: join(*rows, precision="float32"), x, y, z),
    "merge": (jfm.merge, pair, pair),
    "merge joint": (jfm.merge, joint, joint),
    "merge factor": (jfm.merge, factor, factor),
    "solve_linear": (jfm.solve_linear, pair),
    "solve_linear factor": (jfm.solve_linear, factor),
    "solve_affine": (jfm.solve_affine, pair),
    "solve_affine factor": (jfm.solve_affine, factor),
    "solve_rotation": (jfm.solve_rotation, square),
    "solve_rotation factor": (jfm.solve_rotation, factor),
    "solve_similarity": (jfm.solve_similarity, square),
    "diagnose": (jfm.diagnose, pair),
    "diagnose factor": (jfm.diagnose, factor),
    "identity_map": (lambda x: jfm.identity_map(6, 4)(x), x),
    **{
        f"fit_all_pairs {kind}": (all_pairs(kind), joint)
        for kind in ("identity", "linear", "affine", "rotation")
    },
    **{
        f"fit_canonical {kind}": (lambda joint, k=kind: jfm.fit_canonical(joint, k), two)
        for kind in ("rotation", "correlation")
    },
    "canonical_agreement": (jfm.canonical_agreement, space, two),
    "pair_residuals": (jfm.pair_residuals, table, joint),
    "shared_parts": (
        lambda joint, *heads: jfm.shared_parts(
            joint, joint, [jfm.head_split(h) for h in heads], 0, 1
        ),
        *(two, *heads),
    ),
    "composition_errors": (jfm.composition_errors, table, joint),
    "map_residual": (jfm.map_residual, maps[1], pair),
    "merge energy": (
        lambda a, *rows: jfm.merge(a, jfm.compare.energy_moments(rows)),
        *(energy, x, z),
    ),
    **{
        f"compare {index}": (getattr(jfm.compare, index), given)
        for index, given in (
            ("linear_cka", two),
            ("debiased_cka", energy),
            ("rsa", energy),
            ("mean_cca", two),
            ("pwcca", two),
            ("procrustes_distance", two),
            ("classical_mds", shape(5, 5)),
        )
    },
    "compare rank_rsa": (lambda *rows: jfm.compare.rank_rsa(rows), x, z),
    "compare mutual_neighbours": (
        lambda *rows: jfm.compare.mutual_neighbours(rows, 3),
        *(x, z),
    ),
    "logit_map": (jfm.logit_map, *heads),
    "head_split": (lambda h: jfm.head_split(h, up_to_shift=True), heads[0]),
    "swap_accuracy": (
        lambda m, x: jax.tree.leaves(jfm.swap_accuracy(m, x, ids % 5, *heads)),
        *(maps[1], x),
    ),
    **{f"call {type(m).__name__}": (lambda m, x: m(x), m, x) for m in maps},
    **{f"inverse {type(m).__name__}": (lambda m: m.inverse, m) for m in maps},
    **{f"compose {type(m).__name__}": (jfm.compose, rotation, m) for m in maps},
    **{
        f"fit_few_rows {kind}": (few(kind), shape(3, 6), shape(3, 8))
        for kind in ("linear", "rotation")
    },
    "group_moments": (lambda x, z, w: jfm.group_moments(x, z, ids % 3, w), x, z, w),
    "merge_groups": (jfm.merge_groups, folds, shape(3)),
    "fit_ridge_path": (lambda x, z: jfm.fit_ridge_path(x, z, folds=ids % 3), x, z),
    "fit_ridge_path per target": (
        lambda x, z, w: jfm.fit_ridge_path(x, z, [0.1, 1.0], weights=w, per_target=True),
        *(x, z, w),
    ),
    "solve_ridge_path": (jfm.solve_ridge_path, folds),
    "solve_ridge_path factors": (jfm.solve_ridge_path, factors),
    "ridge_grid": (jfm.ridge_grid, folds),
    "fit_low_rank": (lambda x, z: jfm.fit_low_rank(x, z, 2), x, z),
    "solve_low_rank": (lambda m: jfm.solve_low_rank(m, [1, 3]), pair),
    "solve_low_rank factor": (lambda m: jfm.solve_low_rank(m, 2), factor),
    "fit_low_rank_path": (lambda x, z: jfm.fit_low_rank_path(x, z, folds=ids % 3), x, z),
    "solve_low_rank_path": (jfm.solve_low_rank_path, folds),
    "solve_low_rank_path factors": (jfm.solve_low_rank_path, factors),
    "fit_cca": (jfm.fit_cca, x, z),
    "solve_cca": (jfm.solve_cca, of(join, x, z)),
    "solve_cca factor": (jfm.solve_cca, factor),
    **{
        f"fit_robust {loss}": (lambda *r, l=loss: jfm.fit_robust(*r, loss=l), x, z)
        for loss in ("huber", "distance", "trimmed")
    },
    "mlp_map": (lambda m, x: m(x), bent, x),
    "fit_gradient": (
        lambda x, z: jfm.fit_gradient(some_key, x, z, init=jfm.identity_map(6, 4), steps=3),
        *(x, z),
    ),
    "fit_gradient held out": (
        lambda x, z, w: jfm.fit_gradient(
            some_key,
            x,
            z,
            init=jfm.fit_low_rank(x, z, 2),
            steps=10,
            batch_size=4,
            loss=jfm.losses.info_nce,
            weights=w,
            held_out=ids < 5,
        ),
        *(x, z, w),
    ),
    "bootstrap_maps": (
        lambda x, z: jfm.bootstrap_maps(some_key, x, z, groups=ids // 3, replicates=3),
        *(x, z),
    ),
    "bootstrap_maps by row": (
        lambda x, y: jfm.bootstrap_maps(some_key, x, y, kind="rotation", replicates=3),
        *(x, y),
    ),
    "map_spread": (jfm.map_spread, of(jfm.LinearMap, shape(3, 6, 4)), x),
    "choose_pairs": (lambda x, ridge: jfm.choose_pairs(x, 5, ridge=ridge), x, scalar),
    "rank_path": (lambda joint: jfm.rank_path(joint).at(2), joint),
    "unit": (jfm.unit, x),
    "pool_templates": (pool, x, w),
    **{f"pool_mapped {type(m).__name__}": (pool_through, m, x, w) for m in maps[:3]},
    "identity_moments": (lambda a, b: jfm.identity_moments(a, b, by_identity), x, z),
    "fit_by_identity": (lambda *r: jfm.fit_by_identity(r, [ids // 2] * 2), x, z),
    "fit_svm": (lambda x, y, c: jfm.fit_svm(x, y, c), x, shape(20, 3), shape(2)),
    "choose_penalty": (jfm.choose_penalty, svm, x, shape(20, 3)),
    "error_split": (jfm.error_split, shape(20, 3, 2), shape(20, 3)),
    "fit_ridge": (jfm.fit_ridge, x, z),
    "fit_ridge weighted": (
        lambda x, y, w, r: jfm.fit_ridge(x, y, weights=w, ridge=r),
        *(x, w, w, scalar),
    ),
    "binned_absolute_error": (
        lambda a, b: jfm.binned_absolute_error(a, b, fars[::-1]),
        w,
        w,
    ),
    "mean_activation_vectors": (
        lambda x, y: jfm.mean_activation_vectors(x, y, classes=3),
        *(x, labels),
    ),
    "classify_by_mav": (jfm.classify_by_mav, x, shape(3, 6)),
    "scree": (jfm.scree, x),
    "scree scaled": (lambda x: jfm.scree(x, scaled=True), x),
    "block_diagonalize": (
        lambda x, y: jfm.block_diagonalize(x, y, classes=3),
        *(x, labels),
    ),
    "linkability": (lambda s, g: jfm.linkability(s, g, bins=10), scores, genuine),
    "fuse_models": (
        lambda a, b: jfm.fuse_models([jfm.Templates(ids, a)], [jfm.Templates(ids, b)]),
        *(x, y),
    ),
    **{
        f"defence {type(d).__name__}": (lambda x, d=d: d(x, ids // 2), x)
        for d in (
            jfm.defences.Noise(some_key, 0.5),
            jfm.defences.Quantise(2),
            jfm.defences.Truncate(3),
            jfm.defences.Rotate(some_key),
            jfm.defences.UserKeys(some_key),
        )
    },
    "cross_match": (_count_tile, x, shape(1, 20, 6), rows[None]),
    "cross_match inside": (
        lambda a, b: _count_in_tile(a, b, rows[None], np.zeros(bins, np.int32), size=2),
        *(x, shape(1, 20, 6)),
    ),
    "identify": (lambda a, b: _search_tile(a, b, rows // 7, rows, people=3), x, y),
    "score_pairs": (score, x, y),
    "score_all": (score_all, x, y),
    "roc_curve": (jfm.roc_curve, scores, genuine),
    **{f"tar_at_far {rule}": (tar(rule), scores, genuine) for rule in rules},
    "intra_entropy": (lambda a: jfm.intra_entropy(a, ids // 2), shape(20, 3)),
    "inter_entropy": (lambda a: jfm.inter_entropy(a, ids // 2), shape(20, 3)),
    **{
        f"field_energy {type(n).__name__}": (
            lambda p, v, n=n: jfm.field_energy(p, v, neighbours=n),
            *(x, shape(2, 20, 6)),
        )
        for n in neighbourhoods
    },
    **{
        f"field_null {kind}": (
            lambda p, v, kind=kind: jfm.field_null(some_key, p, v, kind=kind, repeats=3),
            *(x, shape(2, 20, 6)),
        )
        for kind in ("permutation", "gaussian")
    },
    "fit_logistic": (fit_logistic, x, shape(20, 3), w, scalar),
    "tree_length": (lambda x: tree_length(x, 10, metric="cosine"), x),
    "arcface_logits": (jfm.arcface_logits, x, shape(9, 6), ids % 9),
    "adaface_logits": (
        lambda x, c: jfm.adaface_logits(x, c, ids % 9, jfm.NormStatistics()),
        *(x, shape(9, 6)),
    ),
    "margin_loss": (jfm.margin_loss, shape(20, 9), ids % 9),
    "validation_loss": (
        lambda f, v: jfm.validation_loss(f, v, "adaface"),
        *(shape(5, 6), shape(5, 2, 6)),
    ),
    "class_distances": (lambda x: jfm.class_distances(x, ids // 2), x),
    "identity_spectrum": (lambda x: jfm.identity_spectrum(x, ids // 2), x),
    "relabelled KS": (
        _statistics,
        jax.ShapeDtypeStruct((1024, 16), bool),
        *(np.zeros((16, 3), np.int32),) * 2,
        *(shape(16, 16), shape(16), jax.ShapeDtypeStruct((16,), bool)),
    ),
    "pairs histogram": (
        lambda x: _histogram(x, ids // 2, np.float32(2), unit="degrees", bins=9),
        x,
    ),
    "gravity": (jfm.gravity, x, y),
    "field_alignment": (jfm.field_alignment, shape(3, 20, 6)),
    "mean_distance": (lambda x: jfm.mean_distance(some_key, x, 50), x),
    "bootstrap_weights": (
        lambda key: jfm.bootstrap_weights(key, 5, 100),
        of(lambda: jax.random.key(0)),
    ),
    "cross_scores": (lambda maps, *rows: jfm.cross_scores(maps, rows), table, x, y, z),
    "table_tar": (
        lambda scores, genuine: jfm.table_tar(scores, genuine, fars),
        *(shape(3, 3, 20, 20), genuine),
    ),
}

host_only = {
    "assign_folds",
    "bins_in_doubt",
    "choose_maps",
    "choose_ridge",
    "count_matches",
    "tar_difference",
    "tar_of_counts",
    "attribute_ks",
    "correlate_entropy",
    "discriminative_power",
    "ks_aggregates",
    "ph_dimension",
    "compare_energies",
    "pair_histogram",
    "error_intervals",
    "group_templates",
    "identify_mapped",
    "edit_derivatives",
    "finetune",
    "lattice_energies",
    "make_lattice",
    "plan_lattice",
    "identity_pairs",
    "identity_parts",
    "label_pairs",
    "leaked_pairs_attack",
    "link_sources",
    "load",
    "map_ladder",
    "merge_processes",
    "load_faces",
    "pair_by_identity",
    "plan_attack",
    "plan_pairs",
    "plan_verification",
    "process_rows",
    "qap_test",
    "report",
    "save",
    "search_confidence",
    "simultaneous_band",
    "stream_fold_moments",
    "stream_joint_moments",
    "stream_pair_moments",
    "subject_confidence",
    "sweep_identities",
    "swap_confidence",
    "sweep_subsets",
    "tar_confidence",
    "transfer_maps",
    "embed",
    "error_agreement",
    "identify_map",
    "verify_map",
    "verify_pairs",
    "wilson_intervals",
}
"""Files, ids and labels, and what the host drives through kernels."""

jax_own = {"tensor<f64>", "tensor<2x3xf64>"}
"""What JAX itself writes under the x64 flag, about float32 arrays: Python scalars, and a
table of coefficients in its `svd` for TPU. Converted to float32 before rows see them."""


@pytest.mark.parametrize("case", cases.values(), ids=cases)
@pytest.mark.parametrize("flag", (False, True), ids=("default", "x64 flag"))
def test_lowers(case, flag):
    f, *args = case
    with jax.enable_x64(flag):
        traced = jax.jit(f).trace(*args)
        assert traced.lower(lowering_platforms=("cuda",)).as_text()
        text = traced.lower(lowering_platforms=("tpu",)).as_text()
    assert set(re.findall(r"tensor<[^>]*f64>", text)) <= (jax_own if flag else set())
    assert flag or "f64" not in text


def test_a_float64_array_would_be_seen():
    with jax.enable_x64(True):
        wide = jax.jit(lambda x: x.astype("float64")).trace(x)
        text = wide.lower(lowering_platforms=("tpu",)).as_text()
    assert "tensor<20x6xf64>" in re.findall(r"tensor<[^>]*f64>", text)


def test_the_table_is_complete():
    public = {
        name
        for name in dir(jfm)
        if name.islower() and not name.startswith("_") and callable(getattr(jfm, name))
    }
    assert public <= host_only | {name.split()[0] for name in cases}
