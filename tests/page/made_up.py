"""A report of numbers drawn at random: nothing is fitted, so that it takes no time."""

import numpy as np

from jfacemap.evaluate.accepts import TarAtFar
from jfacemap.evaluate.agreement import ErrorAgreement
from jfacemap.evaluate.bands import simultaneous_band
from jfacemap.evaluate.confidence import TarConfidence
from jfacemap.evaluate.target import far_words
from jfacemap.evaluate.wilson import RateInterval
from jfacemap.study.ladder import Ladder
from jfacemap.study.report.facts import DataFacts, ModelFacts
from jfacemap.study.report.fusion import Fusion
from jfacemap.study.report.likeness import Likeness
from jfacemap.study.report.map_tables import MapTable, summary
from jfacemap.study.report.parts import Parts
from jfacemap.study.report.reidentify import Attack
from jfacemap.study.report.settings import centrings, kinds, ReportSettings
from jfacemap.study.report.whole import climbed, curve_fars, Report
from jfacemap.study.sweep import SubsetSweep


names = "a", "b_2", "c & <i>d</i>"
settings = ReportSettings(refits=2)
counts = {f"{a} {b}": 12 for a in ("leaked", "gallery") for b in ("people", "images")}
counts |= {"victims": 7, "victim probes": 21, "distractors": 5}
counts |= {"strangers": 1, "stranger probes": 3}
who = {"fitted on": np.array(["ann", "<b>bob</b>"]), "victims": np.array([11, 12])}


def make_report(seed=0) -> Report:
    r = np.random.default_rng(seed)
    n, q = len(names), len(settings.fars)
    rate = lambda *shape: r.uniform(0.1, 0.9, shape)

    def confidence(*cells):
        tar = rate(*cells, q)
        draws = tar + 0.05 * r.normal(size=(30, *tar.shape))
        return TarConfidence(tar, tar - 0.1, tar + 0.1, draws, 9, 0, 0.95)

    def accepts(tar):
        count = lambda number: np.full((n, n), number)
        return TarAtFar(
            genuine_accepts=np.rint(tar * 1000).astype(int),
            impostor_accepts=np.rint(np.asarray(settings.fars) * 1e4 + 0 * tar).astype(int),
            threshold=rate(n, n, q),
            supported=np.ones((n, n, q), bool),
            genuine_at_zero=count(10),
            n_genuine=count(1000),
            n_impostor=count(10000),
            n_nan=count(0),
            target_words=np.broadcast_to(far_words(settings.fars), (n, n, q, 4)),
            beyond=None,
            rule="strict",
        )

    def table():
        spread = confidence(n, n)
        band = simultaneous_band(spread.tar, spread.replicates)
        return MapTable(accepts(spread.tar), spread, band)

    maps = {f"{kind}, {c}": table() for kind in kinds for c in centrings}
    controls = {f"{k}, {c}": MapTable(accepts(rate(n, n, q) / 50))
                for k in ("linear", "rotation") for c in centrings}  # fmt: skip
    families = len(climbed)
    ladder = lambda: Ladder(
        rate(families, 4), rate(families, 4), (), {"ridge": 0.5, "low rank": 1.0}, climbed
    )
    index = {name: rate(n, n) for name in ("linear CKA", "RSA", "neighbours", "SVCCA")}
    swept = {k: rate(2, 2, n, n) for k in ("linear", "rotation")}
    model = lambda: ModelFacts(5, 7.5, 0.25, 3.5, 0, 0, "0123456789abcdef")
    agreement = ErrorAgreement(rate(n, n), rate(n, n), rate(n, n, q), rate(n, n, q))
    return Report(
        names=names,
        settings=settings,
        seed=3,
        data=DataFacts(
            {name: model() for name in names},
            {"all": (1234, 20), "fitted on": (600, 10), "judged": (500, 9)},
            (2, 5.0, 9),
            2000,
            240000,
        ),
        parts=Parts({"judged": np.arange(4)}, who),
        curve_fars=curve_fars,
        curve=np.where(np.arange(len(curve_fars)) < 2, np.nan, rate(n, len(curve_fars))),
        wilson=RateInterval(rate(n, q), rate(n, q), rate(n, q), rate(n, q)),
        maps=maps,
        summary=summary(maps),
        chosen={
            f"ridge, {centrings[0]}": rate(n, n),
            f"low rank, {centrings[0]}": np.array([[0.0, 4, 8], [4, 0, 64], [4, 4, 0]]),
        },
        controls=controls,
        self_map=accepts(rate(n, n, q)),
        refits={f"rotation, {c}": rate(2, q) for c in centrings},
        ladders={(names[i], names[(i + 1) % n]): ladder() for i in range(n)},
        likeness=Likeness(index, index, {name: 0.5 for name in index}),
        sweep={c: SubsetSweep(swept, (8, 30), 2, names) for c in centrings},
        fusion=Fusion(
            agreement,
            confidence(3),
            *(rate(3, q) - 0.5 for _ in range(3)),
            confidence(1),
            0.5,
            float("nan"),
        ),
        attack=Attack(
            (16, 40),
            rate(2, n, n),
            rate(n, n),
            rate(n, n),
            0.125,
            counts,
        ),
    )
