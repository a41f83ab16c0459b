"""What eight devices must find as one does; run by `test_mesh.py` in a process with eight.

Of each call: the result is that of rows on one device, and what travels between devices,
read off the compiled programs, is bounded.
"""

import jax
import jax._src.compiler as compiler
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jfacemap as jfm
from benchmarks.predict import numbers_summed
from jfacemap.core import precision
from jfacemap.core.cost import read_collectives
from jfacemap.core.mesh import put as mesh_put
from jfacemap.core.mesh_rows import MeshRows
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
    return mesh_put(a, NamedSharding(mesh, PartitionSpec(axes)))


def values(tree):
    wide = lambda leaf: isinstance(leaf, Wide)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree, is_leaf=wide)]


def close(ours, true, rtol, name=""):
    """Each array by its own largest number; one far below the others is a rounded zero."""
    ours, true = values(ours), values(true)
    largest = [np.abs(a[np.isfinite(a)]).max(initial=0) for a in true]
    for a, b, own in zip(ours, true, largest, strict=True):
        scale = max(own, 1e-9 * max(largest))
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
    exact = 8 * numbers_summed((12, 8))
    for given in ((x[:8720], y[:8720]), (x[:8720], y[:8720], w[:8720])):
        del programs[:]
        jfm.joint_moments([put(a) for a in given[:2]], *map(put, given[2:]))
        sums = [c for text in programs for c in read_collectives(text)]
        assert [c.kind for c in sums] == ["all-reduce"], sums
        # Without weights count and mass are one number.
        assert sums[0].bytes == exact - 8 * (len(given) == 2), sums
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
    zero_weights()


def zero_weights():
    """Every other row left out, far from zero: as exact on eight devices as on one."""
    far, w = x[:1024] + np.float32(300), np.tile(np.float32([0, 1]), 512)
    true = jfm.pair_moments(far[1::2], y[1:1024:2])
    for where in (None, mesh):
        ours = jfm.pair_moments(far, y[:1024], w, mesh=where)
        close(ours, true, 1e-12)
        narrow = jfm.pair_moments(far, y[:1024], w, precision="float32", mesh=where)
        close(narrow, true, 2e-6)


def default_axes():
    """What lies along explicit axes, as `jax.make_mesh` makes them, serves as well."""
    explicit = jax.make_mesh((8,), ("rows",))
    people, key = np.arange(800) // 4, jax.random.key(0)
    m, groups = jfm.fit_affine(x[:99], y[:99]), jfm.group_templates(people, np.arange(800))
    wide = np.random.default_rng(1).normal(size=(2, 8, 24)).astype(np.float32)
    pooled = lambda x, w: jfm.pool_mapped(m, x, groups, weights=w, pool_first=True)
    part = x[:800], y[:800], w[:800], z[:800]
    calls = {
        "affine": (lambda x, y, w, z: jfm.fit_affine(x, y, weights=w), part),
        "gradient": (
            lambda x, y, w, z: jfm.fit_gradient(key, x, y, init=m, steps=2).map,
            part,
        ),
        "few rows": (lambda a, b: jfm.fit_few_rows([a, b], "linear"), wide),
        "roc": (lambda s, g: jfm.roc_curve(s, g).impostor_accepts, (part[0], part[0] > 1)),
        "scores": (jfm.score_all, (part[0], part[3])),
        "pool": (lambda x, w: pooled(x, w).vectors, (part[0], part[2])),
        "distances": (lambda x: jfm.class_distances(x, people), part[:1]),
    }
    for name, (f, rows) in calls.items():
        close(f(*(put(a, mesh=explicit) for a in rows)), f(*rows), 1e-5, name)
    on = [put(a, mesh=explicit) for a in part[:2]]
    says("axis_types", lambda: jax.jit(jfm.fit_linear)(*on))


def says(words, f):
    """`f` raises a `ValueError` with those words."""
    try:
        f()
    except ValueError as fault:
        assert words in str(fault), fault
    else:
        raise AssertionError(f"no error with {words}")


def odd_numbers():
    """No rows; rows that fill up; what is no mesh, or lies elsewhere."""
    none = jfm.pair_moments(x[:0], y[:0], mesh=mesh)
    close(none, jfm.pair_moments(x[:0], y[:0]), 0)
    n, far = 61, x[:61] + np.float32(3)
    who, w = np.arange(n) // 3, np.linspace(0, 1, n, dtype=np.float32)
    fill = lambda a: put(np.pad(a, ((0, 3), (0, 0))))
    on = MeshRows(fill(far), put(np.float32(np.arange(64) < n)), n)
    for scaled in (False, True):
        close(jfm.scree(on, scaled=scaled), jfm.scree(far, scaled=scaled), 1e-5, "scree")
    for metric in ("cosine", "euclidean"):
        apart = lambda rows, m=metric: jfm.class_distances(rows, who, metric=m)
        close(apart(on), apart(far), 1e-5, metric)
    m = jfm.fit_affine(x[:99], y[:99])
    for people in (who, who[::-1]):
        groups = jfm.group_templates(people, np.arange(n) // 2)
        for weights in (None, w):
            pool = lambda r, g=groups, w=weights: jfm.pool_templates(r, g, weights=w)
            close(pool(on).vectors, pool(far).vectors, 1e-5, "pool")
            pool = lambda r, g=groups, w=weights: jfm.pool_mapped(m, r, g, weights=w)
            close(pool(on).vectors, pool(far).vectors, 1e-5, "pool mapped")
    close(jfm.scree(on.rows[:n]), jfm.scree(far), 1e-5, "cut")
    says("jax.make_mesh", lambda: jfm.pair_moments(x, y, mesh=8))
    alone = jax.device_put(y[:64], jax.devices()[0])
    says("puts it where the rows x are", lambda: jfm.fit_linear(put(x[:64]), alone))


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

    def parts(*rows):
        """The mean beside the largest number in the rows: products are exact to that."""
        m = joint(*rows)
        beside = np.append(*values(m.mean), max(np.abs(a).max() for a in rows[:2]))
        return m.count, m.mass, m.scatter, beside

    check("joint", parts, x, y, w, rtol=1e-12, most=2 * square(12, 8))
    true = np.cov(np.hstack([x, y]).T, aweights=w, ddof=0) * w.sum(dtype=np.float64)
    close(joint(*map(put, (x, y, w))).scatter, true, 1e-12)
