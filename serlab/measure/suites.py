"""Raw times as pyperf suites: one file per codec, the same benchmark names in each.

So `pyperf compare_to pyperf/orjson.json pyperf/msgpack.json`, `pyperf stats` and `pyperf hist` work on a run. Every
run carries the metadata that its own worker collected, or pyperf refuses to merge them.
"""

import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyperf

from serlab.errors import ResultsError
from serlab.folders import file_name, write_inside
from serlab.measure.load import version_of
from serlab.results import Finished
from serlab.stats import BASE, CONTROL

FOLDER = "pyperf"


def write_suites(directory: Path, cells: Iterable[Finished]) -> list[Path]:
    """Write a run's suites.

    Args:
        directory: the results folder.
        cells: what the journal holds.

    Returns:
        The files, `pyperf/CODEC.json`; the baseline's second arm and the floors are codecs of their own here.

    Raises:
        ResultsError: the disk is full or the folder cannot be written.
    """
    runs: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        for batches in cell.pyperf:
            runs[batches["codec"]][batches["name"]].append(run_of(batches, directory))
    written, taken = [], set[str]()
    for codec, benchmarks in sorted(runs.items()):
        name = codec.replace(BASE, "-base").replace(CONTROL, "-control").replace(": ", "-")
        taken.add(name := file_name(name, taken))
        suite = pyperf.BenchmarkSuite([pyperf.Benchmark(benchmark) for benchmark in benchmarks.values()])
        written.append(write_inside(directory, f"{FOLDER}/{name}.json", suite_bytes(suite)))
    return written


def run_of(batches: dict[str, Any], directory: Path) -> Any:
    """Make a pyperf run of one worker's batches.

    Raises:
        ResultsError: pyperf does not take them; no worker sends such.
    """
    loops, items = batches["loops"]
    metadata = {**batches["metadata"], "name": batches["name"], "unit": "second", "loops": loops, "inner_loops": items}
    if "codec_version" not in metadata:
        metadata["codec_version"] = version_of(batches["codec"]) or "unknown"
    try:
        return pyperf.Run([value / 1e9 for value in batches["values"]], metadata=metadata, collect_metadata=False)
    except (ValueError, TypeError) as error:
        raise ResultsError(
            f"{directory}: its journal holds times that pyperf does not take: {error}; start a new run elsewhere"
        ) from error


def suite_bytes(suite: Any) -> bytes:
    """Write a suite as JSON; pyperf takes a text stream."""
    stream = io.StringIO()
    suite.dump(stream)
    return stream.getvalue().encode()
