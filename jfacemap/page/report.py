"""`jfm.report`: measure N models on anyone's rows, and write one page of it."""

import datetime
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..data.arrays import check_writable, new_file
from ..study.report.settings import ReportSettings
from ..study.report.whole import measure_report, Report
from .render import check_extra, render


def report(
    embeddings: Mapping[str, Any],
    labels,
    output: str | os.PathLike[str] | None = None,
    *,
    datasets=None,
    card: str | None = None,
    overlap: str | None = None,
    title: str = "What these models have in common",
    seed: int = 0,
    settings: ReportSettings = ReportSettings(),  # noqa: B008, frozen
    command: str | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Report:
    """Compare N models on the same images, and write a self-contained HTML page.

    Maps of every family between all models, raw and centred, fitted on half of the people
    and judged on the others, with bands and controls; the family ladder; similarity
    indices; how few rows suffice; shared errors and fusion; re-identification. The page
    opens from disk, asks the network for nothing, and prints.

    **Arguments:**

    - `embeddings`: {model: rows (n, d)} of the same n images; computed with in float32.
    - `labels (n,)`: who each image shows, integers or strings.
    - `output`: name of the page, written whole or not at all; without it nothing is.
    - `datasets (n,)`: the collection each image is from; people of each are halved alike.
    - `card`: the data card, plain text: what the images are, from where, on which terms.
    - `overlap`: what is known of the networks having been trained on these images.
    - `seed`: of the halves and of every draw. `settings`: how much is measured.
    - `command`: what made the page, to be printed on it; by default the command line.
    - `progress`: called with a stage's name, steps done, and of how many.

    Needs the extra "report" (jinja2 and plotly) for a page. Raises `ValueError` before any
    work if there are fewer than two models or eight people with two images, rows do not
    pair up, or hold NaN.
    """
    if output is not None:
        check_extra()
        check_writable(output)
    found = measure_report(
        embeddings,
        labels,
        datasets=datasets,
        seed=seed,
        settings=settings,
        progress=progress,
    )
    if output is not None:
        progress("writing the page", 0, 1)
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        run = {"command": command or " ".join(sys.argv), "made": now, "seed": str(seed)}
        run |= {"settings": str(settings)}
        page = render(found, title=title, card=card, overlap=overlap, run=run)
        with new_file(Path(output)) as temporary:
            temporary.write_text(page, encoding="utf-8")
        progress("writing the page", 1, 1)
    return found
