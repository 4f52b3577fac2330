"""The tests of the service need its extra; without it their modules are skipped, none is imported."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.skips import SERVICE

MISSING = [name for name in SERVICE if not find_spec(name)]
REASON = f"the extra 'service' is not installed ({', '.join(MISSING)}): make extras"
needs_service = pytest.mark.skipif(bool(MISSING), reason=REASON)
"""For a test that connects to a server of the extra in a module that does more."""


class Unimported(pytest.Module):
    """A module that cannot be imported here."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        """Skip it."""
        pytest.skip(REASON, allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skip what imports the extra where that is missing."""
    if MISSING and module_path.match("test_*_server.py"):
        module: pytest.Module = Unimported.from_parent(parent, path=module_path)
        return module
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Call slow what starts servers."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.match("test_*_server.py"):
            item.add_marker(pytest.mark.slow)
