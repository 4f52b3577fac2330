"""The record of where and with what a run was made."""

import os
import platform
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from serlab.codecs import codec_info
from serlab.measure import wire
from serlab.measure.interleave import DESCRIPTIONS, WARM_UP_BATCHES
from serlab.measure.options import Options
from serlab.measure.paired import base_of
from serlab.measure.plan import Plan
from serlab.measure.process import physical_memory
from serlab.measure.wire import WIRE
from serlab.records import Base, Texts
from serlab.rows import FORMAT

HOME = Path(__file__).resolve().parents[2]
"""The checkout that serlab runs from, if it does."""

LIBRARIES = ("msgspec", "numpy", "zstandard", "memray", "pyperf")
"""What every figure rests on beside the codecs' own libraries."""

SAME_ON_RESUME = ("cpu", "cores", "os", "python", "versions", "plan", "base")
"""A run must not go on where one of these has changed: its rows would not be of one kind."""


def environment(plan: Plan) -> dict[str, Any]:
    """Describe this machine, the versions and the options.

    Args:
        plan: what is to be measured.

    Returns:
        JSON values; `run` is the run's id, the time of its start.
    """
    return (
        {
            "format": FORMAT,
            "run": datetime.now(UTC).strftime("%Y%m%d-%H%M%S"),
            "cpu": _cpu_model(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            "memory_bytes": physical_memory(),
            "os": f"{platform.system()} {platform.release()}",
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "versions": _versions(plan.codecs) | _wire_versions(plan.options),
            "serlab": metadata.version("serlab"),
            "git_commit": _git_commit(),
            "load_average": list(os.getloadavg()),
            "gc": DESCRIPTIONS[plan.options.gc],
            "hash_seed": 0,
            "affinity": "each timing worker on one processor, in turn" if plan.options.pin else "left to the system",
            "warm_up_batches": WARM_UP_BATCHES,
            "effort": plan.effort._asdict(),
            "time_limit_s": plan.options.time_limit_s,
            "memory_limit_bytes": plan.options.memory_limit_mb * 10**6 or physical_memory(),
            "seed": plan.options.seed,
            "processes": plan.effort.processes,
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "options": asdict(plan.options),
            "plan": plan.fingerprint(),
            "hints": plan.hints(),
        }
        | _base_record(plan.options.base)
        | _wire_record(plan.options)
    )


def _base_record(place: str) -> dict[str, Base]:
    """Describe the other environment, if there is one."""
    if not place:
        return {}
    base = base_of(place)
    return {"base": {**base.record, "git_commit": _git_commit(base.home)}}


def _wire_versions(options: Options) -> dict[str, str]:
    """List the versions of what calls on the wire are made of; nothing where none is measured."""
    return wire.versions(options.experiments) if WIRE in options.parts else {}


def _wire_record(options: Options) -> dict[str, dict[str, Texts]]:
    """Describe what was measured on the wire, and under which conditions; nothing where it was not."""
    return {WIRE: wire.conditions(options.experiments)} if WIRE in options.parts else {}


def _versions(codecs: tuple[str, ...]) -> dict[str, str]:
    """List the versions of the codecs' libraries and of what every figure rests on."""
    infos = [codec_info(name) for name in codecs]
    packages = {info.package: info.version for info in infos if info.package}
    return packages | {name: metadata.version(name) for name in LIBRARIES if name not in packages}


def _cpu_model() -> str:
    """Name the processor; what the system calls it where the kernel does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name")]
    return names[0] if names else platform.machine()


def _git_commit(here: Path = HOME) -> str:
    """Name the commit of the checkout that serlab runs from, with `+` if it was changed; "" outside of one."""
    if not (here / ".git").exists():
        return ""
    try:
        head = _git(here, "rev-parse", "HEAD")
        return head + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    """Ask git."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Name what differs between two runs that must be one, as `what: before, now`."""
    found = []
    for key in SAME_ON_RESUME:
        before, now = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
            found += [f"{name}: was {before.get(name)!r}, is {now.get(name)!r}" for name in names]
        elif before != now:
            found.append(f"{key}: was {before!r}, is {now!r}")
    return found
