"""Another environment to measure with: what is installed there, and how its workers start.

What is installed there is measured and nothing else: the PYTHONPATH of this process is not handed on. An environment
without serlab gets the one that runs here, so that two versions of a library are compared by the same code.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import serlab
from serlab.errors import InterpreterError
from serlab.measure.process import Interpreter
from serlab.measure.turns import PROTOCOL

PROBE = """
import json, platform
from importlib import metadata
import serlab
from serlab.codecs import codec_info, codec_names
try:
    from serlab.measure.turns import PROTOCOL
except ImportError:
    PROTOCOL = 0
from serlab.measure import time
infos = [codec_info(name) for name in codec_names()]
packages = {info.package for info in infos if info.package and info.version} | {"msgspec", "numpy", "pyperf"}
try:
    version = metadata.version("serlab")
except metadata.PackageNotFoundError:
    version = ""
print(json.dumps({
    "protocol": PROTOCOL,
    "home": serlab.__path__[0],
    "python": f"{platform.python_implementation()} {platform.python_version()}",
    "serlab": version,
    "codecs": {info.name: info.version for info in infos if info.version},
    "versions": {name: metadata.version(name) for name in sorted(packages)},
}))
"""
"""Asks an environment what it has; it is written so that an older serlab there understands it."""

PROBE_S = 60.0
UNINSTALLED = "No module named 'serlab'"
VARIABLES = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""What would make another Python look for its packages here."""


class Base(NamedTuple):
    """An environment that was asked what it has.

    Attributes:
        interpreter: how its workers start.
        record: Python's version and serlab's, the codecs' and the other libraries' versions.
        home: the folder that its serlab lies in.
    """

    interpreter: Interpreter
    record: dict[str, Any]
    home: Path

    @property
    def codecs(self) -> dict[str, str]:
        """Give codec → version of what is installed there."""
        return dict(self.record["codecs"])


@cache
def base_of(place: str) -> Base:
    """Ask an environment what it has.

    Args:
        place: the folder of a virtual environment, or a Python.

    Raises:
        InterpreterError: there is no Python, or its serlab is too old, or a library that serlab needs is missing.
    """
    executable = python_in(place)
    bare = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    bare |= {"PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"}
    interpreter = Interpreter(executable, bare)
    status, found = ask(interpreter)
    if status and UNINSTALLED in found:
        interpreter = Interpreter(executable, {**bare, "PYTHONPATH": str(Path(serlab.__path__[0]).parent)})
        status, found = ask(interpreter)
    if status:
        raise InterpreterError(
            f"--base {place}: cannot import what serlab needs: {found}; "
            f"install it there: {executable} -m pip install serlab"
        )
    record = json.loads(found)
    if record.pop("protocol") != PROTOCOL:
        raise InterpreterError(
            f"--base {place}: its serlab {record['serlab']} does not measure by turns as this one does; install the "
            "same there, or uninstall it there, and this one is used"
        )
    home = Path(record.pop("home")).parent
    return Base(interpreter, {"place": place, **record}, home)


def python_in(place: str) -> str:
    """Find the Python of a virtual environment.

    Raises:
        InterpreterError: there is none.
    """
    path = Path(place).absolute()
    found = path / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python") if path.is_dir() else path
    if not os.access(found, os.X_OK):
        raise InterpreterError(
            f"--base {place}: expected a virtual environment, found no Python at {found}; make one: "
            f"python3 -m venv {place}"
        )
    return str(found)


def ask(interpreter: Interpreter) -> tuple[int, str]:
    """Run the probe.

    Returns:
        The status and what it printed, or the last line of its complaint.
    """
    command = [interpreter.executable, "-P", "-c", PROBE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=interpreter.environment, timeout=PROBE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    complaint = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
    return done.returncode, complaint[-1] if done.returncode else done.stdout
