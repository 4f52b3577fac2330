"""A test that wants the machine to itself has it, and what workers skip is written once for all of them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = """
import time
from pathlib import Path
import pytest

HALL = Path(__file__).with_name("hall")

def visit(name, seconds):
    (HALL / name).touch()
    time.sleep(seconds)
    seen = {path.name for path in HALL.iterdir()}
    (HALL / name).unlink()
    return seen

@pytest.fixture(scope="module")
def measured():
    return visit("fixture", 0.1)

@pytest.mark.alone
@pytest.mark.parametrize("number", range(4))
def test_alone(number, measured):
    assert measured == {"fixture"} and visit(f"alone-{number}", 0.1) == {f"alone-{number}"}

@pytest.mark.parametrize("number", range(20))
def test_other(number):
    assert not any(name.startswith(("alone", "fixture")) for name in visit(f"other-{number}", 0.05))

@pytest.mark.skip(reason="planted")
@pytest.mark.parametrize("number", range(2))
def test_skipped(number):
    raise AssertionError
"""
ALLOW = "from tests.support import skips\nskips.MAY_SKIP['test_some.py'] = (skips.Need('a thing', lambda: False),)\n"


@pytest.mark.slow
def test_nobody_is_beside_a_test_that_wants_to_be_alone(tmp_path: Path) -> None:
    """Nor beside the fixtures that it measures with; skips of all workers come together, and can be run again."""
    (tmp_path / "test_some.py").write_text(FILE)
    (tmp_path / "conftest.py").write_text(ALLOW)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  alone: planted\n")
    (tmp_path / "hall").mkdir()
    skipped = tmp_path / "skipped"
    plugins = [
        "-p",
        "tests.support.skips",
        "-p",
        "tests.support.alone",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(tmp_path / "pytest.ini"), *plugins, "-n", "2"]
    done = subprocess.run(
        [*command, "--skipped", str(skipped), str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "24 passed, 2 skipped" in done.stdout, done.stdout
    assert sorted(skipped.read_text().split()) == [f"test_some.py::test_skipped[{number}]" for number in range(2)]
    listed = tmp_path / "listed"
    listed.write_text("".join(f"{tmp_path}/{line}\n" for line in skipped.read_text().split()))
    again = subprocess.run([*command, f"@{listed}"], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0 and "2 skipped" in again.stdout and "passed" not in again.stdout
