"""How many cores other processes keep busy, read from /proc, and waiting until they are few.

Sleeping processes cost nothing, and the load average is of the last minutes: so two readings of the processors' own
counters are compared. What this process and its children have used in between is taken off.

Source: proc(5), /proc/stat and /proc/PID/stat.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
READING_S = 5.0
"""Between the two readings: short against a run, long against the 10 ms that /proc counts in."""

QUIET_CORES = 0.25
PATIENCE_S = 20 * 60.0
SHOWN = 3


class Reading(NamedTuple):
    """The counters at one moment.

    Attributes:
        clock_s: when.
        busy_s: seconds that all cores together have worked since the start of the machine.
        own_s: seconds of them for this process and its children that have ended.
        processes: process id → its name and the seconds that it has worked.
    """

    clock_s: float
    busy_s: float
    own_s: float
    processes: dict[int, tuple[str, float]]


class Load(NamedTuple):
    """What others did between two readings.

    Attributes:
        cores: that they kept busy.
        busiest: the processes that did most, with the cores that each kept busy.
    """

    cores: float
    busiest: list[tuple[str, float]]


class Waited(NamedTuple):
    """How waiting ended: the load of others then, whether it was small enough, and the seconds it took."""

    cores: float | None
    quiet: bool
    waited_s: float


def read(proc: Path = PROC) -> Reading:
    """Read the counters.

    Raises:
        OSError: this system has no /proc.
    """
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    # user, nice, system, idle, iowait, irq, softirq
    cpu = [int(field) for field in (proc / "stat").read_text().splitlines()[0].split()[1:8]]
    own = os.times()
    busy, used = sum(cpu) - cpu[3] - cpu[4], own.user + own.system + own.children_user + own.children_system
    return Reading(time.monotonic(), busy * tick_s, used, processes(proc, tick_s))


def processes(proc: Path, tick_s: float) -> dict[int, tuple[str, float]]:
    """Read the name of each process and how long it has worked; one that ends meanwhile is left out."""
    found = {}
    for folder in proc.glob("[0-9]*"):
        try:
            # PID (NAME) STATE …: a name may hold anything. utime and stime are the fields 14 and 15.
            before, _, after = (folder / "stat").read_text(errors="replace").rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = after.split()
        found[int(folder.name)] = (before.partition("(")[2], (int(fields[11]) + int(fields[12])) * tick_s)
    return found


def between(first: Reading, last: Reading, own: int = 0) -> Load:
    """Compare two readings.

    Args:
        first: the earlier one.
        last: the later one.
        own: the id of a process that is not named.
    """
    seconds = last.clock_s - first.clock_s
    cores = (last.busy_s - first.busy_s - (last.own_s - first.own_s)) / seconds
    gained = [
        (f"{name} ({pid})", (used_s - first.processes.get(pid, (name, 0.0))[1]) / seconds)
        for pid, (name, used_s) in last.processes.items()
        if pid != own
    ]
    busiest = sorted((one for one in gained if one[1] > 0), key=lambda one: -one[1])[:SHOWN]
    return Load(max(0.0, cores), busiest)


def look() -> Load | None:
    """Measure the load of others for some seconds; None where the system does not tell it."""
    try:
        first = read()
        time.sleep(READING_S)
        return between(first, read(), os.getpid())
    except OSError:
        return None


def wait_until_quiet(
    say: Callable[[str], None],
    measure: Callable[[], Load | None] = look,
    clock: Callable[[], float] = time.monotonic,
) -> Waited:
    """Wait until others use less than a quarter of a core, for 20 minutes at most.

    Args:
        say: is told what is waited for.
        measure: measures the load of others, which takes some seconds.
        clock: gives the time in seconds.
    """
    start = clock()
    while True:
        load = measure()
        waited_s = clock() - start
        if load is None:
            say("the load of other processes cannot be read here; going on without knowing it")
            return Waited(None, False, waited_s)
        if load.cores < QUIET_CORES:
            return Waited(load.cores, True, waited_s)
        named = ", ".join(f"{name} {cores:.2f}" for name, cores in load.busiest)
        used = f"other processes use {load.cores:.2f} cores ({named or 'none that can be named'})"
        if waited_s >= PATIENCE_S:
            say(f"{used}; not quiet after {waited_s / 60:.0f} minutes, going on all the same")
            return Waited(load.cores, False, waited_s)
        say(f"waiting until other processes use less than {QUIET_CORES} cores: {used}")
