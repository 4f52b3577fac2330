"""The service without its extra."""

import subprocess
import sys

import pytest

from tests.service.conftest import MISSING


def test_the_extra_is_installed() -> None:
    """Where it is not, the other tests of the service were not collected."""
    if MISSING:
        pytest.skip(f"the extra 'service' is not installed ({', '.join(MISSING)}): see requirements-service.lock")


@pytest.mark.parametrize(
    ("module", "package"),
    [
        *(("serlab.service", package) for package in ("granian", "starlette", "grpc", "trustme")),
        *(("serlab.service.clients", package) for package in ("aiohttp", "httpx2")),
    ],
)
def test_a_missing_package_is_answered_with_the_install_command(module: str, package: str) -> None:
    """The error names the package, and is an ImportError."""
    code = f"""
import sys
sys.modules[{package!r}] = None
try:
    import {module}
except ImportError as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    if not MISSING:
        assert f"{module} needs {package}" in done.stdout
    assert done.stdout.startswith("MissingPackageError") and "pip install 'serlab[service]'" in done.stdout
