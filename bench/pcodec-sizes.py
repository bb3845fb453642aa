"""Makes pcodec.json: what pcodec needs for the blocks that codec.ts measures.

    pip install pcodec==1.1.0 numpy==2.4.6
    python3 bench/pcodec-sizes.py DIR > bench/pcodec.json

Values are float64, times int64 microseconds, each compressed by itself in blocks of 1,000 with the standalone format
at the level that compresses best. Bytes are totals over all files; nothing is added for a head beside the blocks.
"""

import csv
import datetime
import json
import math
import pathlib
import sys

import numpy
from pcodec import ChunkConfig, standalone

LEVEL = 12
ROWS = 1000


def seeded(seed):
    """mulberry32, the generator of bench/bodies.ts."""
    state = seed
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = ((state ^ (state >> 15)) * (1 | state)) & 0xFFFFFFFF
        mixed ^= (mixed + (((mixed ^ (mixed >> 7)) * (61 | mixed)) & 0xFFFFFFFF)) & 0xFFFFFFFF
        yield (mixed ^ (mixed >> 14)) / 2**32


def jitter(count):
    random = seeded(1)
    for _ in range(count):
        radius = math.sqrt(-2 * math.log(1 - next(random)))
        yield math.floor(20_000 * radius * math.cos(2 * math.pi * next(random)) + 0.5)


def size(column):
    return len(standalone.simple_compress(column, ChunkConfig(compression_level=LEVEL)))


files = {}
total = {"readings": 0, "values": 0, "regularTimes": 0, "jitteredTimes": 0}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.csv")):
    rows = list(csv.reader(path.open()))[1:]
    values = numpy.array([float(row[1]) for row in rows])
    start = int(datetime.datetime.fromisoformat(rows[0][0] + "+00:00").timestamp()) * 1_000_000
    times = start + numpy.arange(len(rows), dtype=numpy.int64) * 300_000_000
    jittered = times + numpy.array(list(jitter(len(rows))), dtype=numpy.int64)
    of_file = {"readings": len(rows), "values": 0, "regularTimes": 0, "jitteredTimes": 0}
    for at in range(0, len(rows), ROWS):
        of_file["values"] += size(values[at : at + ROWS])
        of_file["regularTimes"] += size(times[at : at + ROWS])
        of_file["jitteredTimes"] += size(jittered[at : at + ROWS])
    files[path.stem] = of_file
    for key in total:
        total[key] += of_file[key]

json.dump(
    {
        "how": "bench/pcodec-sizes.py with pcodec 1.1.0 (PyPI), level 12 (its best), numpy 2.4.6, on nine files of the Numenta Anomaly Benchmark",
        "regular": (total["values"] + total["regularTimes"]) / total["readings"],
        "jitter": (total["values"] + total["jitteredTimes"]) / total["readings"],
        "total": total,
        "files": files,
    },
    sys.stdout,
    indent=2,
)
print()
