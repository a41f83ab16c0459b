"""What eight devices must find as one does; run by `test_mesh.py` in a process with eight.

Of each call: the result is that of rows on one device, and what travels between devices,
read off the compiled programs, is bounded.
"""

import jax
import jax._src.compiler as compiler
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jfacemap as jfm
from jfacemap.core import precision
from jfacemap.core.cost import read_collectives
from jfacemap.core.wide import Wide


jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_enable_compilation_cache", False)  # programs are to be seen


def make_mesh(shape=(8,), names=("rows",)):
    return jax.make_mesh(shape, names, axis_types=(AxisType.Auto,) * len(names))


mesh, r, n = make_mesh(), np.random.default_rng(0), 8 * 1100
x = r.normal(size=(n, 12)).astype(np.float32)
y = (x @ r.normal(size=(12, 8)) + r.normal(size=(n, 8))).astype(np.float32)
z = x[:, ::-1] + r.normal(size=(n, 12)).astype(np.float32)
w = r.uniform(size=n).astype(np.float32)
w[::7] = 0

programs, compile_ = [], compiler.backend_compile_and_load


def spy(*args, **options):
    program = compile_(*args, **options)
    programs.append(program.hlo_modules()[0].to_string())
    return program


compiler.backend_compile_and_load = spy


def put(a, axes="rows", mesh=mesh):
    return jax.device_put(a, NamedSharding(mesh, PartitionSpec(axes)))


def values(tree):
    wide = lambda leaf: isinstance(leaf, Wide)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree, is_leaf=wide)]


def close(ours, true, rtol, name=""):
    true = values(true)
    scale = max(np.abs(a[np.isfinite(a)]).max(initial=0) for a in true)
    for a, b in zip(values(ours), true, strict=True):
        np.testing.assert_allclose(a, b, rtol, atol=rtol * scale, err_msg=name)


def check(name, f, *rows, most, least=1, rtol=1e-5, exact=False):
    """The same of sharded rows, and between devices at most so many bytes."""
    single = f(*rows)
    del programs[:]
    ours = f(*map(put, rows))
    found = [c for text in programs for c in read_collectives(text)]
    moved = sum(c.bytes for c in found)
    print(f"{name}: {moved:,} bytes of {sum(a.nbytes for a in rows):,} allowed {most:,}")
    assert least <= moved <= most, (name, moved, found)
    close(ours, single, 0 if exact else rtol, name)


def square(*widths):
    """Bytes of sums of so many columns in float64, and of a few rows of them."""
    columns = sum(widths)
    return 8 * (columns**2 + 8 * columns)


def statistics():
    few = square(12, 8)
    check("pair", jfm.pair_moments, x, y, w, rtol=1e-12, most=few)
    joint = lambda *a: jfm.joint_moments(a[:2], *a[2:])
    check("joint", joint, x, y, w, rtol=1e-12, most=few)
    check("joint unweighted", joint, x, y, rtol=1e-12, most=few)
    factor = lambda *a: jfm.pair_factor(*a).moments
    check("factor", factor, x, y, w, rtol=1e-4, most=4 * 8 * 21**2 + 4)
    energy = lambda *a: jfm.compare.energy_moments(a)
    check("energy moments", energy, x, y, rtol=1e-11, most=2 * few)
    whiten = lambda x: jfm.fit_standardize(x, whiten=True)
    check("standardize", whiten, x, rtol=1e-4, most=square(12))


def fits():
    few = square(12, 12)
    check("linear", jfm.fit_linear, x, y, most=few)
    check("affine", lambda x, y, w: jfm.fit_affine(x, y, weights=w), x, y, w, most=few)
    check("rotation", jfm.fit_rotation, x, z, most=few)
    check("similarity", jfm.fit_similarity, x, z, most=few)
    table = lambda *a: jfm.fit_all_pairs(jfm.joint_moments(a), "affine")
    check("all pairs", table, x, z, most=few)
    maps = lambda x, y: jfm.bootstrap_maps(jax.random.key(0), x, y, replicates=3).maps
    check("bootstrap", maps, x, y, most=3 * few)
    # Residuals are ranked, a number a row; rows of a fold come together, once.
    check("robust", lambda x, y: jfm.fit_robust(x, y).map, x, y, most=8 * 8 * n)
    path = lambda x, y: jfm.fit_ridge_path(x, y).map
    check("ridge path", path, x, y, most=x.nbytes + y.nbytes + few)


def where_arrays_do_not_know():
    """`mesh=` of rows of NumPy, of what does not divide, within jit, grad and vmap."""
    close_to = lambda a, b: close(a, b, 1e-11)
    of = lambda *a: jfm.joint_moments(a[:2], a[2], mesh=mesh)
    cut = x[:-3], y[:-3], w[:-3]
    for ours in (of(*cut), jax.jit(of)(*cut)):
        close_to(ours, jfm.joint_moments(cut[:2], cut[2]))
    close_to(jfm.pair_moments(x[:5], y[:5], mesh=mesh), jfm.pair_moments(x[:5], y[:5]))
    del programs[:]
    jax.jit(lambda *a: of(*a))(*map(put, (x, y, w)))
    found = [c for text in programs for c in read_collectives(text)]
    assert 0 < sum(c.bytes for c in found) <= square(20), found

    def through_mesh(x, y, w):
        return jfm.solve_linear(jfm.pair_moments(x, y, w, mesh=mesh)).weight.sum()

    plain = lambda x, y, w: jfm.fit_linear(x, y, weights=w).weight.sum()
    for a, b in zip(*(jax.grad(f, (0, 2))(x, y, w) for f in (through_mesh, plain)),
                    strict=True):  # fmt: skip
        close(a, b, 2e-3)
    draws = np.stack([w, w[::-1]])
    many = jax.vmap(lambda w: jfm.pair_moments(x, y, w, mesh=mesh))(draws)
    close_to(many, jax.vmap(lambda w: jfm.pair_moments(x, y, w))(draws))

    explicit = jax.make_mesh((8,), ("rows",))  # what JAX makes by default
    ours = jfm.fit_linear(*(put(a, mesh=explicit) for a in (x, y)))
    close(ours, jfm.fit_linear(x, y), 1e-5)

    grid = make_mesh((2, 4), ("a", "b"))
    for axes in (("a", "b"), "b", ("b",)):
        ours = jfm.pair_moments(*(put(a, axes, grid) for a in (x, y)))
        close_to(ours, jfm.pair_moments(x, y))


def pooling():
    m = jfm.fit_linear(x[:500], y[:500])
    people, media = np.arange(n) // 20, np.arange(n) // 2
    mixed = r.permutation(n)
    for name, at in (("in order", np.arange(n)), ("mixed", mixed)):
        groups = jfm.group_templates(people[at], media[at])
        vectors = lambda x, w, g=groups: jfm.pool_templates(x, g, weights=w).vectors
        check(f"pool {name}", vectors, x, w, most=440 * 12 * 4)
        mapped = lambda x, g=groups: jfm.pool_mapped(m, x, g).vectors
        check(f"pool mapped {name}", mapped, x, most=440 * 8 * 4)


def judgement():
    scores = r.normal(size=(560, 100)).astype(np.float32)
    genuine = r.uniform(size=(560, 100)) < 0.1
    scores = (scores + genuine).round(1).astype(np.float32)  # ties
    for rule in ("strict", "nearest", "interpolate"):
        tar = lambda s, g, rule=rule: jfm.tar_at_far(s, g, [1e-1, 1e-2, 1e-4], rule=rule)
        check(f"tar {rule}", tar, scores, genuine, exact=True, most=4000)
    size = 2**20 + 8  # on one device counted on the host
    many = r.normal(size=size).astype(np.float32), r.uniform(size=size) < 0.1
    tar = lambda s, g: jfm.tar_at_far(s, g, [1e-2]).tar
    check("tar of many", tar, *many, exact=True, most=4000)


def comparisons():
    """Templates meet all others: they travel, once; products are exact, so are counts."""
    ids, who = np.arange(800), np.arange(800) // 3
    a, b = np.round(x[:1600] * 8).reshape(2, 800, 12) / 8
    both = a.nbytes + b.nbytes
    templates = lambda *sides: [jfm.Templates(ids, v) for v in sides]
    pairs = r.integers(0, 800, (5000, 2))
    score = lambda *v: jfm.score_pairs(*templates(*v), pairs)
    check("score pairs", score, a, b, exact=True, most=both + 8 * 5000)
    check("score all", jfm.score_all, a, b, rtol=1e-6, most=both)
    match = lambda *v: jfm.cross_match(*templates(*v), who, who, [1e-2, 1e-3])
    # Counts of bins, and inside the few that are looked into.
    check("cross match", match, a, b, exact=True, most=2**24)

    def found(*sides):
        ours = jfm.identify(*templates(*sides), who, who, fpirs=[1e-2])
        return ours.rank, ours.best_score

    # Templates are put everywhere before there is a program; it sends nothing.
    check("identify", found, a, b, exact=True, most=0, least=0)


def probes():
    labels = np.sign(y[:, :3]).astype(np.int8)
    C = np.float32([0.1, 1.0])
    svm = lambda x, labels: jfm.fit_svm(x, labels, C).weight
    check("svm", svm, x, labels, rtol=1e-4, most=2 * square(13))
    means = lambda x, l: jfm.mean_activation_vectors(x, l, classes=3)
    check("means", means, x, np.arange(n, dtype=np.int32) % 3, most=square(12))
    check("scree", jfm.scree, x, rtol=1e-4, most=square(12))


def fields():
    """Any point may be near any other: points travel, a few times, but no distances."""
    p, v = x[:1200], y[:1200]
    most = 8 * p.nbytes
    for near in (jfm.KNearest((3, 5)), jfm.RelativeBall(0.7)):
        energy = lambda p, v, near=near: jfm.field_energy(p, v, neighbours=near)
        check(f"energy {near}", energy, p, v, most=most)
    null = lambda p, v: jfm.field_null(
        jax.random.key(0), p, v, neighbours=jfm.Ball(0.7), repeats=2
    )
    check("null", null, p, v, most=most)
    for metric in ("cosine", "euclidean"):
        apart = lambda x, m=metric: jfm.class_distances(x, np.arange(1200) // 4, metric=m)
        check(f"class distances, {metric}", apart, p, most=most)


def without_float64():
    """Sums of two float32 lose nothing on the way: three parts of 16 bits, exact."""
    precision.float64_platforms = ()
    joint = lambda *a: jfm.joint_moments(a[:2], *a[2:])
    check("joint", joint, x, y, w, rtol=1e-12, most=2 * square(12, 8))
    true = np.cov(np.hstack([x, y]).T, aweights=w, ddof=0) * w.sum(dtype=np.float64)
    close(joint(*map(put, (x, y, w))).scatter, true, 1e-12)
