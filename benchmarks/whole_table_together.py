"""Both kinds of maps in one call, for `whole_table`: seconds and peak memory."""

import json
import sys
import time

import jfacemap as jfm

from .harness import Size
from .machine import peak_memory
from .whole_table import prepare


if __name__ == "__main__":
    _, plan, load, maps = prepare(Size(**json.loads(sys.argv[1])))
    load.seconds, start = 0.0, time.perf_counter()
    jfm.verify_pairs(maps, load, plan, rule="insightface")
    seconds = time.perf_counter() - start - load.seconds
    print(json.dumps({"seconds": seconds, "peak": peak_memory()}))
