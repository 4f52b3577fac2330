"""A process that runs cases: `python -m tests.fuzz.worker SEED SECONDS FOLDER CODEC…`.

The case under way stands in FOLDER/SEED.case, so that whoever watches still has it after a crash. A finding is a file
of its own; its name says what was called.
"""

import json
import mmap
import resource
import signal
import sys
import traceback
from collections import Counter
from hashlib import sha256
from pathlib import Path
from random import Random
from time import monotonic, process_time

from tests.fuzz.mutate import cases, mutated
from tests.fuzz.targets import TARGETS

CASE_BYTES = 2**20
HEAD = 128
"""Bytes of the case file that hold a counter, codec, kind, target and length."""

LIMIT_S = 1.0
GROWTH_BYTES = 2**30
"""What a worker's address space may grow by; the decoders' own limit is a quarter of that."""

RETRIES = 3
"""Times that a slow case is tried again: on a busy machine the first may have waited for its turn."""


class Board:
    """The file that holds the case under way."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(HEAD + CASE_BYTES))
        with path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self.count = 0

    def show(self, codec: str, kind: str, target: str, data: bytes) -> None:
        """Write down what is tried next."""
        self.count += 1
        data = data[:CASE_BYTES]
        self.map[:HEAD] = json.dumps([self.count, codec, kind, target, len(data)]).encode().ljust(HEAD)
        self.map[HEAD : HEAD + len(data)] = data


def read_board(path: Path) -> tuple[int, str, str, str, bytes] | None:
    """Read the case under way from outside; None before the first."""
    text = path.read_bytes() if path.exists() else b""
    if not text.strip(b"\0"):
        return None
    count, codec, kind, target, length = json.loads(text[:HEAD])
    return count, codec, kind, target, text[HEAD : HEAD + length]


def save(folder: Path, codec: str, kind: str, target: str, data: bytes, why: str) -> None:
    """Keep a finding: the bytes, and beside them what happened."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{codec}.{kind}.{target}.{sha256(data).hexdigest()[:8]}.bin"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(why)


def attempt(codec: str, kind: str, target: str, data: bytes) -> tuple[bool, str, float]:
    """Run one case.

    Returns:
        Whether the bytes were accepted, what went wrong ("" if nothing), and the seconds of the processor it took.
    """
    start, why, accepted = process_time(), "", False
    try:
        accepted = TARGETS[target](codec, kind, data)
    except Exception:
        why = traceback.format_exc()
    spent = process_time() - start
    return accepted, why, spent


def checked(codec: str, kind: str, target: str, data: bytes) -> tuple[bool, str, float]:
    """Run one case; a slow one again, and only one that is slow each time counts."""
    accepted, why, spent = attempt(codec, kind, target, data)
    for _ in range(RETRIES if spent > LIMIT_S else 0):
        spent = min(spent, attempt(codec, kind, target, data)[2])
    return accepted, why or (f"took {spent:.1f} s, expected at most {LIMIT_S} s" if spent > LIMIT_S else ""), spent


def bound_memory() -> None:
    """Let the address space grow by so much and no more; what is mapped already differs from machine to machine."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + GROWTH_BYTES, mapped + GROWTH_BYTES))


def run(seed: int, seconds: float, folder: Path, codecs: list[str]) -> dict[str, list[float]]:
    """Fuzz for a while.

    Args:
        seed: the same seed gives the same cases in the same order.
        seconds: how long.
        folder: where the case under way and the findings go.
        codecs: which; empty means all but those that verify nothing.

    Returns:
        "codec target" → cases, accepted, findings, the slowest case in seconds.
    """
    random, board, end = Random(seed), Board(folder / f"{seed}.case"), monotonic() + seconds
    chosen = cases(codecs)
    counts: dict[str, Counter[str]] = {}
    slowest: Counter[str] = Counter()
    bound_memory()
    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: stopped.append(number))
    while monotonic() < end and not stopped:
        codec, kind = random.choice(chosen)
        data = mutated(codec, kind, random)
        for target in TARGETS:
            board.show(codec, kind, target, data)
            accepted, why, spent = checked(codec, kind, target, data)
            key = f"{codec} {target}"
            counts.setdefault(key, Counter()).update(cases=1, accepted=accepted, findings=bool(why))
            slowest[key] = max(slowest[key], spent)
            if why:
                save(folder, codec, kind, target, data, why)
    return {
        key: [*(float(count[name]) for name in ("cases", "accepted", "findings")), slowest[key]]
        for key, count in counts.items()
    }


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])))
