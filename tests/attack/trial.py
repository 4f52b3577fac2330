"""One message in a process of its own: what it costs, against what a message of its length may cost.

The budget of n bytes, accepted or refused: memory 40 n + 32 MiB (protobuf, whose messages may be two bytes long: 120 n)
and at most 320 MiB; processor 0.3 s + 16 times what `orjson.loads` takes for ordinary JSON of n bytes. Memory is the
system's own peak above what the process held before, since a tracer does not see what C libraries take.
"""

import ctypes
import gc
import json
import os
import resource
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from time import monotonic, process_time
from typing import NamedTuple

import numpy as np
import orjson

from serlab.errors import SerlabError
from serlab.messages import MESSAGE_TYPES, from_document
from tests.attack.entrances import ENTRANCES, RENDERS, bound, entrances_of, form_of
from tests.attack.recipe import Node, scaled

MIB = 2**20
ALLOWANCE, MOST = 32 * MIB, 320 * MIB
FACTORS = {"protobuf": 120}
FACTOR = 40
FREE_S, TIMES = 0.3, 16.0
OVER = 1.6
"""A trial is killed at so many times its budget: what is dear enough need not be waited for."""

LOOK_S = 0.05
"""How often a trial's memory is looked at from outside."""

SLACK = 256
PAGE = resource.getpagesize()
ADDRESS_SPACE = 6 * 2**30
PATIENCE_S = 100.0
"""How long the machine may leave a trial waiting; what passes then is no processor time."""

SENTENCE = {"role": "user", "content": "a sentence of ordinary length, twelve times or so"}
SIZES = (2**12, 2**16, MIB, 8 * MIB)
"""Bytes at which the machine's pace is measured; beyond them it is that of the last."""


class Cost(NamedTuple):
    """What a message took.

    Attributes:
        length: bytes of the message.
        cpu_s: seconds of the processor.
        memory: bytes of the peak above the start.
        outcome: "accepted", "refused", "killed" (at `OVER` times the budget), or what went wrong.
    """

    @property
    def failed(self) -> bool:
        """Return whether something went wrong, whatever it cost."""
        return self.outcome not in ("accepted", "refused", "killed")

    length: int
    cpu_s: float
    memory: int
    outcome: str


@cache
def pace(size: int) -> float:
    """Measure what `orjson.loads` takes for ordinary JSON of that many bytes, in seconds: the least of several."""
    body = orjson.dumps([SENTENCE] * max(1, size // 75))
    times = []
    for _ in range(20 if size <= MIB else 4):
        start = process_time()
        orjson.loads(body)
        times.append(process_time() - start)
    return min(times)


def may_take_s(length: int) -> float:
    """Return the seconds that a message may take."""
    if length > SIZES[-1]:
        return FREE_S + TIMES * pace(SIZES[-1]) * length / SIZES[-1]
    longer = min(size for size in SIZES if size >= length)
    shorter = max((size for size in SIZES if size < length), default=longer)
    return FREE_S + TIMES * float(np.interp(length, (shorter, longer), (pace(shorter), pace(longer))))


def may_hold(codec: str, length: int) -> int:
    """Return the bytes that a message may take."""
    return min(FACTORS.get(form_of(codec), FACTOR) * length + ALLOWANCE, MOST)


def score(codec: str, cost: Cost) -> float:
    """Return the part of its budget that a message took, the larger of memory and time; over 1 is too dear."""
    if cost.failed:
        return 100.0
    return max(cost.memory / may_hold(codec, cost.length), cost.cpu_s / may_take_s(cost.length))


def measure(codec: str, entrance: str, kind: str, data: bytes) -> Cost:
    """Call an entrance, here and now, and say what it took."""
    settle()
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    outcome, start = "accepted", process_time()
    try:
        ENTRANCES[entrance](codec, kind, data)
    except SerlabError:
        outcome = "refused"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"[:200]
    return Cost(len(data), process_time() - start, max(0, status("VmHWM") - before), outcome)


def settle() -> None:
    """Give free memory back to the system, so that what is taken next shows; the collector runs as it always does."""
    gc.freeze()
    ctypes.CDLL(None).malloc_trim(0)


def status(name: str) -> int:
    """Read a size of this process, in bytes."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.split(f"{name}:")[1].split()[0])


def warm(codec: str) -> None:
    """Read one short message of each kind, since what is imported and generated for the first is no message's cost."""
    for kind in MESSAGE_TYPES:
        data = bound(codec, kind).encode(from_document(kind, {"model": "m"}))
        for entrance in entrances_of(codec, kind):
            with suppress(SerlabError):
                ENTRANCES[entrance](codec, kind, data)


class Trial:
    """A process that makes a message of a recipe and measures it.

    Args:
        codec: its name.
        entrance: one of `ENTRANCES`.
        kind: the message type's name.
        node: the recipe.
        size: the message's length, at most.
    """

    def __init__(self, codec: str, entrance: str, kind: str, node: Node, size: int) -> None:
        self.codec, self.length, self.before, self.peak, self.text = codec, -1, 0, 0, b""
        self.out, inner = os.pipe()
        self.end = monotonic() + PATIENCE_S
        may_take_s(size)  # Measured here, once, and not in each child.
        self.pid = os.fork()
        if not self.pid:
            run_and_leave(inner, partial(inside, codec, entrance, kind, node, size))
        os.close(inner)

    def result(self) -> Cost:
        """Wait for it; whatever happens to it is an outcome."""
        why = ""
        while not why and self.reads():
            if self.length >= 0 and self.memory() > OVER * may_hold(self.codec, self.length):
                why = "killed"
            elif monotonic() > self.end:
                why = "it waits without end"
        if why:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.out)
        _, status_, usage = os.wait4(self.pid, 0)
        lines = self.text.splitlines()
        if len(lines) > 1:
            return Cost(*json.loads(lines[1]))
        number = os.waitstatus_to_exitcode(status_)
        if number == -signal.SIGPROF:
            return Cost(self.length, OVER * may_take_s(self.length), self.peak, "killed")
        if self.length < 0:
            # No message came of it: it was too large to be made.
            return Cost(0, 0.0, 0, "refused")
        return Cost(self.length, usage.ru_utime if why else 0.0, self.peak, why or f"the process ended with {number}")

    def memory(self) -> int:
        """Look at what it holds above its start, and keep the most that was seen."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        self.peak = max(self.peak, pages * PAGE - self.before)
        return self.peak

    def reads(self) -> bool:
        """Read what it says, if it does; False at its end."""
        if not select.select([self.out], [], [], LOOK_S)[0]:
            return True
        piece = os.read(self.out, 2**16)
        self.text += piece
        if self.length < 0 and b"\n" in self.text:
            self.length, self.before = json.loads(self.text.splitlines()[0])
        return bool(piece)


def inside(codec: str, entrance: str, kind: str, node: Node, size: int, tell: Callable[[object], object]) -> None:
    """Make the message and measure it; its length is told beforehand, for the case that nothing comes after it."""
    gc.disable()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data = scaled(node, RENDERS[form_of(codec)], size).make()
    if len(data) > size + SLACK:
        # Its fixed counts make it longer than was asked for.
        return
    limit = OVER * may_take_s(len(data))
    settle()
    gc.enable()
    tell([len(data), status("VmRSS")])
    signal.setitimer(signal.ITIMER_PROF, limit)
    tell(list(measure(codec, entrance, kind, data)))


def run_and_leave(out: int, call: Callable[[Callable[[object], object]], None]) -> None:
    """Run in the child, and end it without anything that the parent's exit would do."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        call(lambda value: os.write(out, json.dumps(value).encode() + b"\n"))
    finally:
        os._exit(0)
