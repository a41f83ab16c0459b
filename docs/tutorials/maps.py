# %% [markdown]
# # Maps: from one network's embeddings to another's
#
# Six face networks that ship with the package have looked at the same images. They were
# trained apart, and their embeddings have different widths. Is what one of them sees a
# rotation of what another one sees? Or some other simple map of it? This tutorial fits
# such maps, and tells good ones from bad ones before anyone is verified.

# %%
import jax
import jax.numpy as jnp
import numpy as np

import jfacemap as jfm


faces = jfm.data.load_faces()
for name, rows in faces.embeddings.items():
    print(f"{name:20}{rows.shape}")

# %% [markdown]
# Maps are fitted on some people and judged on others: a map that has seen a person knows
# more than it should. Here all of ORL is fitted on, and Extended Yale-B is left to judge.
# Rows are scaled to unit length, since their cosine is what verification compares.

# %%
fit, held = faces[faces.dataset == "orl"], faces[faces.dataset == "yaleb"]
source, target = "mobilefacenet_ms1m", "mobilefacenet_tf"
x, y = jfm.unit(fit.embeddings[source]), jfm.unit(fit.embeddings[target])
x_held, y_held = jfm.unit(held.embeddings[source]), jfm.unit(held.embeddings[target])

# %% [markdown]
# ## One pair, several kinds of map
#
# Every fit has a closed form. A rotation has the fewest ways to go wrong, an affine map
# the most. How well a map carries over is the cosine of a mapped row with the target's row
# of the same image, on the people held out.

# %%
cosine = lambda m, a, b: float(jnp.mean(jnp.sum(jfm.unit(m(a)) * jfm.unit(b), axis=1)))
kinds = {
    "no map": jfm.identity_map(x.shape[1], y.shape[1]),
    "rotation": jfm.fit_rotation(x, y),
    "similarity": jfm.fit_similarity(x, y),
    "linear": jfm.fit_linear(x, y),
    "affine": jfm.fit_affine(x, y),
}
print("cosine with the target    fitted    held out")
for kind, m in kinds.items():
    print(f"{kind:24}{cosine(m, x, y):8.3f}{cosine(m, x_held, y_held):12.3f}")

# %% [markdown]
# Least squares all but repeats the people it was fitted on, and loses a third of the cosine
# on others; it stays ahead of the rotation. Yet a high cosine can flatter. If all rows of a
# model share a large mean, then any two of them are alike, and a map that only hits the
# mean looks good. So subtract it, as it was on the rows fitted on, in both spaces. What
# `fit_standardize` finds is a map too, so it composes.

# %%
centre_x, centre_y = jfm.fit_standardize(x), jfm.fit_standardize(y)
cx, cy = jfm.unit(centre_x(x)), jfm.unit(centre_y(y))
cx_held, cy_held = jfm.unit(centre_x(x_held)), jfm.unit(centre_y(y_held))
rotation = jfm.fit_rotation(cx, cy)
linear = jfm.fit_linear(cx, cy)
shuffled = jfm.fit_linear(cx, cy[np.random.default_rng(0).permutation(len(cy))])
for kind, m in {"rotation": rotation, "linear": linear, "random": shuffled}.items():
    print(f"{kind:24}{cosine(m, cx, cy):8.3f}{cosine(m, cx_held, cy_held):12.3f}")

# %% [markdown]
# Little changes here: the means were not what the maps lived on. The last line is a
# control: a map of rows that were paired at random finds nothing.
#
# ## Is it determined?
#
# `diagnose` says, before a map is used, how the rows determine it: how many there are, of
# what rank, and how ill-conditioned they are.

# %%
info = jfm.diagnose(jfm.pair_moments(cx, cy))
print(f"{int(info.count)} rows, rank {int(info.rank)} of {x.shape[1]}")
print(f"condition {float(info.condition):.0f}, residual {float(info.residual):.3f}")

# %% [markdown]
# Least squares has a free parameter for each pair of dimensions. A penalty tames it, and
# cross-validation finds the penalty. Folds are made of whole people.

# %%
path = jfm.fit_ridge_path(cx, cy, groups=fit.label)
for ridge, error in list(zip(path.ridges, path.error, strict=True))[::4]:
    print(
        f"ridge {float(ridge):9.2e}, error {float(error / path.spread):.3f} of the variance"
    )
print(f"chosen {float(path.ridge):.2e}, held out {cosine(path.map, cx_held, cy_held):.3f}")

# %% [markdown]
# ## Maps are small, and compose
#
# Centring, then the map, is itself one affine map. It can be inverted and written to a
# file, which holds arrays and no code.

# %%
whole = jfm.compose(centre_x, path.map)
jfm.save("map.safetensors", whole)
again = jfm.load("map.safetensors")
there_and_back = jfm.compose(again, again.inverse)
print(type(whole).__name__, again.in_dim, "->", again.out_dim)
print(f"there and back {cosine(there_and_back, x_held, x_held):.4f}")

# %% [markdown]
# ## More rows than memory
#
# A fit needs only moments of the rows, and moments of batches merge. Whatever the batches
# are, the map is the same.

# %%
batches = [
    jfm.pair_moments(cx[k : k + 100], cy[k : k + 100]) for k in range(0, len(cx), 100)
]
merged = batches[0]
for batch in batches[1:]:
    merged = jfm.merge(merged, batch)
streamed = jfm.solve_linear(merged)
print(f"differs by {float(jnp.abs(streamed.weight - linear.weight).max()):.0e}")

# %% [markdown]
# ## All models at once
#
# Joint moments of N models hold the moments of every pair: one pass over the rows gives
# all maps among them, of any kind. Here of the three narrowest.

# %%
names = [m for m, x in fit.embeddings.items() if x.shape[1] <= 192]
centres = {m: jfm.fit_standardize(jfm.unit(fit.embeddings[m])) for m in names}
centred = lambda part: [jfm.unit(centres[m](jfm.unit(part.embeddings[m]))) for m in names]
maps = jfm.fit_all_pairs(jfm.joint_moments(centred(fit), names=names), "rotation")
judged = centred(held)
print("cosine on held-out people; from a row's model to a column's")
for i, name in enumerate(names):
    line = [cosine(maps[i, j], judged[i], judged[j]) for j in range(len(names))]
    print(f"{name:20}" + "".join(f"{each:7.2f}" for each in line))

# %% [markdown]
# ## How sure is a map?
#
# Refit it on draws of the people, and see how far the mapped rows disagree. A batch of
# maps is one map with a leading axis. The penalty steadies the map.

# %%
for ridge in (0.0, float(path.ridge)):
    draws = jfm.bootstrap_maps(
        jax.random.key(0), cx, cy, groups=fit.label, replicates=20, ridge=ridge
    )
    spread = jfm.map_spread(draws.maps, cx_held[:200])
    share = jnp.mean(spread.radius / jnp.linalg.norm(spread.mean, axis=1))
    print(f"ridge {ridge:.2e}: a mapped row moves by {float(share):.2f} of its length")

# %% [markdown]
# Next: do these maps find the same person? That is [verification](verification.md). Which
# family of maps the data support at all, `map_ladder` asks, and the experiment
# `map_families`.
