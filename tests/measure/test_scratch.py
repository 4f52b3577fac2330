"""Folders for a while."""

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serlab.scratch import OWNER, PREFIX, Scratch, sweep

KEEP = """
import sys, time
from serlab.scratch import Scratch
scratch = Scratch()
(scratch.path / "deep").mkdir()
(scratch.path / "deep/secret").write_text("x")
print(scratch.path, flush=True)
time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep temporary files to the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path: Path) -> None:
    """While it lives its folder is nobody else's."""
    process = subprocess.Popen([sys.executable, "-c", KEEP], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    left = Path(process.stdout.readline().strip())
    with Scratch() as own:
        assert (left / "deep/secret").exists() and left.parent == own.parent == tmp_path
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert left.exists()
    with Scratch() as own:
        assert list(tmp_path.iterdir()) == [own]
    assert not list(tmp_path.iterdir())


def test_a_sweep_touches_nothing_else(tmp_path: Path) -> None:
    """Not what others named so, nor through a link; what was killed before it was locked is empty, and goes."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / OWNER).touch()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"{PREFIX}mine").mkdir()
    (tmp_path / f"{PREFIX}mine" / "thesis").touch()
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}empty").mkdir()
    (tmp_path / f"{PREFIX}half").mkdir()
    (tmp_path / f"{PREFIX}half" / OWNER).symlink_to("/etc/passwd")
    sweep()
    left = {path.name.removeprefix(PREFIX) for path in tmp_path.iterdir()}
    assert left == {"elsewhere", "link", "mine", "file", "half"}
    assert (tmp_path / "elsewhere" / OWNER).exists()


def test_a_folder_goes_with_its_object_and_many_at_once_do_not_meet(tmp_path: Path) -> None:
    """Whoever makes one sweeps, so none may be taken for a dead one's before it is locked."""

    def use(number: int) -> bool:
        scratch = Scratch()
        (scratch.path / "file").write_text(str(number))
        sweep()
        found = (scratch.path / "file").read_text() == str(number)
        scratch.close()
        scratch.close()
        return found

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(200)))
    made = Scratch()
    assert os.path.isdir(made.path)  # noqa: PTH112, a path's own method may hold it
    del made
    assert not list(tmp_path.iterdir())
