"""Embeddings of a few people under two models of one width, which compile once."""

import numpy as np


def make_rows(people=12, each=4, seed=0):
    """{model: rows}, and who they show."""
    r = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), each)
    face = r.normal(size=(people, 6))[who] + 0.5 * r.normal(size=(people * each, 6))
    rows = lambda: face @ r.normal(size=(6, 6)) + 0.3 * r.normal(size=(len(who), 6)) + 1
    return {"a": np.float32(rows()), "b_2": np.float32(rows())}, who
