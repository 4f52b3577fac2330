"""The service without its extra."""

import subprocess
import sys

import pytest

from tests.wire.conftest import MISSING

NAMES = {"serlab.wire": "running", "serlab.wire.clients": "Client"}
"""Module → what is asked of it."""


@pytest.mark.parametrize(
    ("module", "package"),
    [
        *(("serlab.wire", package) for package in ("granian", "starlette", "grpc", "trustme")),
        *(("serlab.wire.clients", package) for package in ("aiohttp", "httpx2")),
    ],
)
def test_a_missing_package_is_answered_with_the_install_command(module: str, package: str) -> None:
    """The error names the package, and is an ImportError."""
    code = f"""
import sys
sys.modules[{package!r}] = None
try:
    from {module} import {NAMES[module]}
except ImportError as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    if not MISSING:
        assert f"{module} needs {package}" in done.stdout
    assert done.stdout.startswith("MissingPackageError") and "pip install 'serlab[service]'" in done.stdout
