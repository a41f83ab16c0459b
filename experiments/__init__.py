"""One script per table or figure of the papers; run as `python -m experiments.NAME`."""

import os


# Decompositions of these sizes gain nothing from LAPACK's own threads, which spin while
# they wait and slow everything twentyfold when another process wants the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
