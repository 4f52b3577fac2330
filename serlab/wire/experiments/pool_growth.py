"""How much memory an object takes with every use, and how much of it stays when the object is gone.

What grows while an object lives and comes back when it is deleted is no leak: protobuf's messages live in an arena,
which gives its memory back as a whole. So both are measured. Resident memory tells that only where nothing else moves
it, so it is read in a fresh process.
"""

import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

import serlab
from serlab.codecs import codec_for, open_codec
from serlab.errors import WorkerError
from serlab.generated import llm_pb2
from serlab.measure import Job, load_messages, read_job, written

STATM = Path("/proc/self/statm")
MOST_GROWTH = 32 << 20
"""Bytes that the calls which are measured may eat."""
WARM_UP = 4
"""Times as many calls before they are measured: the process gives back half a megabyte of its start in the first few
thousand, which looked like a shrinking of 100 bytes a use."""
EXPECTED = 8
"""How many times its bytes a message may grow by with each use, at most, to choose how often it is used."""
CODE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from serlab.wire.experiments import pool_growth
print(json.dumps(pool_growth.measured_here(sys.stdin.buffer.read())))
"""
"""What the fresh process runs."""


def measured(job: Job) -> dict[str, float]:
    """Measure in a fresh process by how much it grows with each message that is parsed.

    Args:
        job: of a worker.

    Returns:
        Bytes a use: `fresh`, a new message each time; `kept`, one for all; `released`, what stays of `kept` once that
        message is deleted.

    Raises:
        WorkerError: the process failed.
    """
    command = [sys.executable, "-P", "-c", CODE, str(Path(serlab.__file__).parents[1])]
    done = subprocess.run(command, input=written(job), capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or done.returncode
        raise WorkerError(f"growth of {job.workload}: {reason}")
    return msgspec.json.decode(done.stdout, type=dict[str, float])


def measured_here(line: bytes) -> dict[str, float]:
    """Measure in this process what a job asks for: variant → bytes a use."""
    job = read_job(line)
    data = [open_codec(codec_for("grpc"), job.kind).encode(message) for message in load_messages(job)]
    cls = getattr(llm_pb2, job.kind)
    found = {"fresh": _growth(cls.FromString, data)}
    before = _resident()
    reused = cls()
    found["kept"] = _growth(reused.ParseFromString, data)
    del reused
    # All uses count, those of the warm-up too: they filled the same arena.
    uses = (WARM_UP + 1) * _rounds_of(data) * len(data)
    return found | {"released": (_resident() - before) / uses}


def _growth(call: Callable[[bytes], Any], items: Sequence[bytes]) -> float:
    """Measure by how many bytes the process grows with each call.

    Args:
        call: what may keep memory.
        items: its arguments in turn.

    Returns:
        The difference of resident memory by the number of calls; around 0 where nothing is kept, also below.
    """
    rounds = _rounds_of(items)
    _each(call, items, WARM_UP * rounds)
    before = _resident()
    _each(call, items, rounds)
    return (_resident() - before) / (rounds * len(items))


def _rounds_of(items: Sequence[bytes]) -> int:
    """Return how many times all items are used while growth is measured."""
    return max(2, MOST_GROWTH // (EXPECTED * sum(map(len, items))))


def _each(call: Callable[[bytes], Any], items: Sequence[bytes], rounds: int) -> None:
    """Call with every item, round after round."""
    for _ in range(rounds):
        for item in items:
            call(item)


def _resident() -> int:
    """Read this process's resident memory in bytes."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize()
