# %% [markdown]
# # Verification: do mapped embeddings still find the same person?
#
# A system that stores embeddings of one network meets an embedding of another network.
# Mapped, can it be compared with what is stored? Biometrics asks this as the true accept
# rate (TAR), the share of pairs of one person that are accepted, at a false accept rate
# (FAR), the share of pairs of two people that are accepted too.

# %%
import jax
import numpy as np

import jfacemap as jfm
from jfacemap.plot.grid import plot_tar_grid


faces = jfm.data.load_faces()
yale = np.unique(faces.label[faces.dataset == "yaleb"])
fit = faces[(faces.dataset == "orl") | np.isin(faces.label, yale[::2])]
held = faces[np.isin(faces.label, yale[1::2])]
print(f"fitted on {len(fit)} images, judged on {len(held)} of other people")

# %% [markdown]
# Rows are centred by the mean of the rows fitted on, and scaled to unit length.

# %%
names = "mobilefacenet_ms1m", "mobilefacenet_tf", "mobileface"
centres = {m: jfm.fit_standardize(jfm.unit(fit.embeddings[m])) for m in names}
rows = lambda part: [jfm.unit(centres[m](jfm.unit(part.embeddings[m]))) for m in names]
x, y, _ = rows(fit)
a, b, _ = rows(held)

# %% [markdown]
# ## Scores, and who is who
#
# `label_pairs` says which pairs of images are genuine, and which count: no image is
# compared with itself. The threshold at each FAR is the loosest that keeps to it.

# %%
fars = [1e-1, 1e-2, 1e-3]
genuine, valid = map(np.asarray, jfm.label_pairs(held.label))
print(f"{(genuine & valid).sum()} genuine pairs, {(~genuine & valid).sum()} others")

shuffle = np.random.default_rng(0).permutation(len(y))
maps = {
    "rotation": jfm.fit_rotation(x, y),
    "ridge": jfm.fit_ridge_path(x, y, groups=fit.label).map,
    "linear": jfm.fit_linear(x, y),
    "no map": jfm.identity_map(x.shape[1], y.shape[1]),
    "random pairs": jfm.fit_linear(x, y[shuffle]),
}
scores = {"native": jfm.score_all(b, b)}
scores |= {kind: jfm.score_all(m(a), b) for kind, m in maps.items()}
print("TAR at FAR        0.1   0.01  0.001")
for kind, each in scores.items():
    tar = jfm.tar_at_far(each, genuine, fars, valid=valid).tar
    print(f"{kind:16}" + "".join(f"{rate:7.3f}" for rate in np.asarray(tar)))

# %% [markdown]
# *Native* compares the target network with itself, and is what a map can hope for. The
# last two lines are controls: where nothing is mapped, or a map is of rows paired at
# random, TAR is about the FAR.
#
# ## How sure is that?
#
# There are many pairs and few people. Pairs of one person are not independent, so
# intervals come from drawing people, not pairs. All kinds see the same draws, which makes
# their difference surer than either is.

# %%
key = jax.random.key(0)
pairs = jfm.identity_pairs(held.label[:, None], held.label[None], valid=valid)
sure = {
    kind: jfm.tar_confidence(key, scores[kind], pairs, [1e-2], replicates=300)
    for kind in ("native", "ridge", "rotation")
}
for kind, each in sure.items():
    print(f"{kind:16}{each.tar[0]:.3f} [{each.lower[0]:.3f} {each.upper[0]:.3f}]")
less = jfm.tar_difference(sure["ridge"], sure["native"])
print(f"ridge - native  {less.estimate[0]:.3f} [{less.lower[0]:.3f} {less.upper[0]:.3f}]")

# %% [markdown]
# ## All pairs of models
#
# Six rotations among three networks, and a table of scores for each. The diagonal is
# native.

# %%
maps_between = jfm.fit_all_pairs(jfm.joint_moments(rows(fit), names=names), "rotation")
between = jfm.cross_scores(maps_between, rows(held))
table = jfm.table_tar(between, genuine, fars[:2], valid=valid)
tables = {"rotation": np.asarray(table.tar)}
figure = plot_tar_grid(tables, names, fars[:2], title="TAR, from rows to columns")

# %% [markdown]
# ## Templates
#
# In practice a person is enrolled by several images. `group_templates` sorts images by
# template, once and on the host; `pool_templates` makes a vector of each. Here each person
# has one template of the target network, of every fourth image, and is searched for by
# single images of the source network.

# %%
enrolled = np.arange(len(held)) % 4 == 0
who, searched = held.label[enrolled], held.label[~enrolled]
gallery = jfm.pool_templates(b[enrolled], jfm.group_templates(who, np.arange(len(who))))
single = np.arange(len(searched))
grouping = jfm.group_templates(single, single)
for kind in ("ridge", "rotation", "no map"):
    probes = jfm.pool_templates(maps[kind](a[~enrolled]), grouping)
    subjects = np.asarray(gallery.ids)
    found = jfm.identify(gallery, probes, subjects, searched[np.asarray(probes.ids)])
    first = float(np.mean(found.rank == 1))
    tar = jfm.cross_match(gallery, probes, subjects, searched, [1e-2]).tar.tar
    print(f"{kind:16}found first {first:.3f}, TAR at FAR 1e-2 {float(tar[0]):.3f}")

# %% [markdown]
# `cross_match` compares every gallery template with every probe and keeps no score: a
# billion comparisons take no more memory than a million. Whole protocols in the files of
# IJB-C are `jfm.data.read_ijb`, `plan_verification` and `verify_pairs`; the paper's own
# experiment on these faces is `canonical_faces`, on IJB-C `canonical_ijbc`.
