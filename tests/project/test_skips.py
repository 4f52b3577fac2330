"""No test is skipped but for want of what the list names, and only where that is really missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import skips
from tests.support.skips import MAY_SKIP, Need, wrong

ROOT = Path(__file__).resolve().parents[2]
HERE, GONE = Need("a thing", lambda: True), Need("another", lambda: False)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a list in place of the real one."""
    monkeypatch.setattr(skips, "MAY_SKIP", {"tests/test_a*.py": (HERE,), "tests/test_b.py::test_one": (GONE,)})


@pytest.mark.usefixtures("listed")
def test_skip_is_right_only_where_the_listed_thing_is_missing() -> None:
    """By module or by test, whatever its parameters are."""
    assert wrong("tests/test_b.py::test_one[x-2]") == wrong("tests/test_b.py::test_one") == ""
    assert wrong("tests/test_ab.py::test_x") == "tests/test_ab.py::test_x: skipped, but a thing is there"
    for node in ("tests/test_b.py::test_two", "tests/test_c.py", "tests/test_b.py::test_one_more"):
        assert "not in the list" in wrong(node)


@pytest.mark.parametrize("pattern", MAY_SKIP)
def test_list_names_what_exists(pattern: str) -> None:
    """A test that was renamed is not left in the list."""
    module, _, test = pattern.partition("::")
    found = list(ROOT.glob(module))
    assert found and all(f"def {test}(" in path.read_text() for path in found if test)


FILE = """
import pytest

def test_runs():
    pass

@pytest.mark.skip(reason="no wish")
def test_skips():
    raise AssertionError

@pytest.mark.parametrize("one", [])
def test_has_nothing(one):
    raise AssertionError

@pytest.mark.xfail(reason="known")
def test_expected():
    raise AssertionError
"""


@pytest.mark.slow
def test_run_of_one_file_with_another_skip_fails(tmp_path: Path) -> None:
    """A skip that is not listed is a failure, in a test and of a whole module; an expected failure is no skip."""
    (tmp_path / "test_some.py").write_text(FILE)
    (tmp_path / "test_all.py").write_text("import pytest\npytest.importorskip('serlab_absent')\n")
    out = str(tmp_path / "skipped")
    # From the checkout, so that the plugin is found; without its settings and its other plugins.
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "-p", "tests.support.skips", "--skipped", out]
    some = subprocess.run([*command, str(tmp_path / "test_some.py")], cwd=ROOT, capture_output=True, text=True)
    assert some.returncode == 1 and "1 passed, 1 xfailed, 2 errors" in some.stdout
    assert (
        "test_skips: skipped, but not in the list of tests/support/skips.py" in some.stdout and "no wish" in some.stdout
    )
    whole = subprocess.run([*command, str(tmp_path / "test_all.py")], cwd=ROOT, capture_output=True, text=True)
    assert whole.returncode != 0 and "test_all.py: skipped, but not in the list" in whole.stdout
    assert Path(out).read_text() == ""


@pytest.mark.parametrize(
    ("node", "written"),
    [
        ("tests/test_b.py::test_one[x]", ["tests/test_b.py::test_one[x]"]),
        # Where there is no parameter here, there may be some where the thing is there.
        ("tests/test_b.py::test_one[NOTSET]", ["tests/test_b.py::test_one"]),
    ],
)
@pytest.mark.usefixtures("listed")
def test_right_skip_is_written_as_an_argument_of_pytest(node: str, written: list[str]) -> None:
    """So that a second run, where the thing is there, runs just what the first has skipped."""
    report = pytest.TestReport(node, ("", None, ""), {}, "skipped", "why", "call")
    noted: list[str] = []
    skips.judged(report, noted)
    assert noted == written and report.outcome == "skipped"
