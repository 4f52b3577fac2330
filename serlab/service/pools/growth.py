"""How much memory an object takes with every use: what makes reuse a leak.

Resident memory tells that only where nothing else moves it, so it is read in a fresh process.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import serlab
from serlab import workloads
from serlab.codecs import open_codec
from serlab.errors import WorkerError
from serlab.generated import llm_pb2
from serlab.results import Row

STATM = Path("/proc/self/statm")
MOST_GROWTH = 64 << 20
"""Bytes that the measurement may eat."""
EXPECTED = 8
"""How many times its bytes a message may grow by with each use, at most, to choose how often it is used."""
CODE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from serlab.service.pools.growth import measure
print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
"""


def experiment(workload: str = "chat-turn", *, seed: int = 0, run: str = "", process: int = 0) -> list[Row]:
    """Measure by how much a process grows with each message that is parsed.

    Args:
        workload: of the messages.
        seed: of the messages.
        run: the run's id.
        process: the worker's number.

    Returns:
        Rows of the metric `growth` in bytes a use, in the operations `pool/message-decode/fresh` and `…/kept`.

    Raises:
        WorkerError: the process failed.
    """
    kind = workloads.kind(workload)
    place = ("protobuf", open_codec("protobuf", kind).version, workload, kind)
    command = [sys.executable, "-c", CODE, str(Path(serlab.__file__).parents[1]), workload, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkerError(f"growth of {workload}: {done.stderr.strip().rpartition(chr(10))[2] or done.returncode}")
    return [
        Row(run, *place, f"pool/message-decode/{name}", "growth", "B", process, value)
        for name, value in json.loads(done.stdout).items()
    ]


def measure(workload: str, seed: int) -> dict[str, float]:
    """Measure in this process: variant → bytes a use."""
    kind = workloads.kind(workload)
    data = [open_codec("protobuf", kind).encode(message) for message in workloads.build(workload, seed)]
    cls, reused = getattr(llm_pb2, kind), getattr(llm_pb2, kind)()
    return {"fresh": growth(cls.FromString, data), "kept": growth(reused.ParseFromString, data)}


def growth(call: Callable[[bytes], Any], items: Sequence[bytes]) -> float:
    """Measure by how many bytes the process grows with each call.

    Args:
        call: what may keep memory.
        items: its arguments in turn.

    Returns:
        The difference of resident memory by the number of calls; around 0 where nothing is kept, also below.
    """
    rounds = max(2, MOST_GROWTH // (EXPECTED * sum(map(len, items))))
    each(call, items, max(1, rounds // 10))
    before = resident()
    each(call, items, rounds)
    return (resident() - before) / (rounds * len(items))


def each(call: Callable[[bytes], Any], items: Sequence[bytes], rounds: int) -> None:
    """Call with every item, round after round."""
    for _ in range(rounds):
        for item in items:
            call(item)


def resident() -> int:
    """Read this process's resident memory in bytes."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize()
