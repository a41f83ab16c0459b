# %% [markdown]
# # Invariance: what else does an embedding know?
#
# A face network is trained to tell people apart, and to ignore the rest: light, pose,
# expression. Does it? If an embedding ignored the light, nobody could read the light off
# it. On Extended Yale-B the direction of the light is known for every image, so one can
# try.

# %%
import jax
import jax.numpy as jnp
import numpy as np

import jfacemap as jfm


faces = jfm.data.load_faces()
faces = faces[faces.dataset == "yaleb"]
names = "dlib_resnet", "mobilefacenet_ms1m"
rows = {m: jfm.unit(faces.embeddings[m]) for m in names}
print(f"{len(faces)} images of {len(np.unique(faces.label))} people")
print(
    f"light from {faces.azimuth.min():.0f} to {faces.azimuth.max():.0f} degrees of azimuth"
)

# %% [markdown]
# People who train a probe, people who choose its penalty, and people it is tested on are
# different ones, or the probe could learn faces by heart.

# %%
key = jax.random.key(0)
train, choose, test = jfm.data.split_identities(key, faces.label)
print(f"{train.sum()} images to train on, {choose.sum()} to choose, {test.sum()} to test")

# %% [markdown]
# ## Angles, by regression
#
# `fit_ridge` chooses its penalty on folds of people. A probe is worth nothing unless it
# beats the constant guess, here of light straight from the front.

# %%
angles = np.stack([faces.azimuth, faces.elevation], axis=1)
guesses = {"constant": np.zeros((test.sum(), 2))}
for name, x in rows.items():
    probe = jfm.fit_ridge(x[train], angles[train], groups=faces.label[train])
    guesses[name] = np.asarray(probe(x[test]))
print("mean error in degrees     azimuth  elevation")
for name, guess in guesses.items():
    error = np.abs(guess - angles[test]).mean(axis=0)
    print(f"{name:26}{error[0]:7.1f}{error[1]:11.1f}")

# %% [markdown]
# ## Attributes, by a plane
#
# Is the light on the right? Is it from above? `fit_svm` fits all attributes and penalties
# at once. Errors are of two kinds, and a probe can buy one with the other, so both are
# shown. Label 0 leaves an image out.

# %%
attributes = {"right": np.sign(faces.azimuth), "above": np.sign(faces.elevation)}
labels = np.stack(list(attributes.values()), axis=1)
grid = np.logspace(-2, 2, 5).astype(np.float32)
print("missed and false alarms   " + "".join(f"{each:>16}" for each in attributes))
probes = {}
for name, x in rows.items():
    svm = jfm.fit_svm(x[train], labels[train], grid)
    best = jfm.choose_penalty(svm, x[choose], labels[choose])
    probes[name] = svm.choose(best)
    found = jfm.error_split(probes[name].decision(x[test])[..., 0], labels[test])
    both = zip(found.false_negative_rate, found.false_positive_rate, strict=True)
    print(f"{name:26}" + "".join(f"{float(n):9.2f}{float(p):7.2f}" for n, p in both))

# %% [markdown]
# A coin would err in half of the images, in both ways. Networks that were never told of
# light know whether it comes from above, and hardly whether it comes from the right:
# face networks are commonly trained on mirrored images too, which must give the same
# embedding. What is asked to be ignored is ignored; the rest stays.
#
# ## A map carries it along
#
# Map one network's rows into another's space, and use the probe that was trained there. If
# identity were all that the two networks share, it could read nothing.

# %%
source, target = "mobilefacenet_ms1m", "dlib_resnet"
m = jfm.fit_linear(rows[source][train], rows[target][train])
decided = probes[target].decision(m(rows[source][test]))[..., 0]
carried = jfm.error_split(decided, labels[test])
both = zip(carried.false_negative_rate, carried.false_positive_rate, strict=True)
print(f"{'mapped':26}" + "".join(f"{float(n):9.2f}{float(p):7.2f}" for n, p in both))

# %% [markdown]
# ## Does it get in the way?
#
# Each person's mean embedding under frontal light is a mean activation vector (MAV).
# Images under other light are given to the nearest. If light were ignored, its angle would
# not matter.

# %%
people, who = np.unique(faces.label, return_inverse=True)
frontal = np.maximum(np.abs(faces.azimuth), np.abs(faces.elevation)) <= 10
away = np.maximum(np.abs(faces.azimuth), np.abs(faces.elevation))
print("named right, light at most 25 degrees off, more than that")
for name, x in rows.items():
    mavs = jfm.mean_activation_vectors(x[frontal], who[frontal], classes=len(people))
    right = np.asarray(jfm.classify_by_mav(x, mavs).label) == who
    near, far = right[~frontal & (away <= 25)], right[away > 25]
    print(f"{name:26}{near.mean():9.3f}{far.mean():7.3f}")

# %% [markdown]
# ## In how many directions?
#
# `scree` has the singular values of rows about their mean. Of the deviations from each
# person's mean they show how much the light moves rows, and in how many directions.

# %%
for name, x in rows.items():
    parts = jfm.identity_parts([x], faces.label)
    values = {"people": parts.between[0], "light": parts.within[0]}
    for what, part in values.items():
        explained = np.asarray(jfm.scree(part).explained, np.float64)
        half = 1 + int(np.searchsorted(np.cumsum(explained), 0.5))
        variance = part.var(axis=0).sum()
        print(f"{name:22}{what:8} variance {variance:.3f}, half of it in {half}")

# %% [markdown]
# ## Does light move every face the same way?
#
# From each person's frontally lit image to the one lit from 50 degrees: a field of
# directions on the faces. Its energy is the mean of one less the cosine between the
# directions of near faces: 0 if they agree, 1 if they are as random ones. Beside it the
# energy of the same directions dealt anew to the faces.

# %%
at = lambda azimuth: (faces.azimuth == azimuth) & (faces.elevation == 0)
known = [p for p in people if all(np.any(at(z) & (faces.label == p)) for z in (0, 50))]
pick = lambda x, azimuth: jnp.stack([x[at(azimuth) & (faces.label == p)][0] for p in known])
for name, x in rows.items():
    points, lit = pick(x, 0), pick(x, 50)
    null = jfm.field_null(key, points, lit - points, neighbours=jfm.KNearest(5))
    energy, dealt = float(null.found.energy), np.asarray(null.null)
    print(
        f"{name:22}energy {energy:.2f}, dealt anew {dealt.mean():.2f} ± {dealt.std():.2f}"
    )

# %% [markdown]
# An energy below 1 says that one direction is shared by the faces; below that of the same
# vectors dealt anew, that near faces share more of it. The experiments `attribute_probes`,
# `pose_regression` and `attribute_energy` ask all this of more attributes, and
# `mnist_invariance` of networks that are trained to be invariant.
