"""The README says what is true."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
TEXT = README + (ROOT / "docs/ci.md").read_text() + (ROOT / "docs/decide.md").read_text()
TEXT += (ROOT / "docs/service.md").read_text()


def test_the_example_runs() -> None:
    """The Python block is executed as it stands; those that need a server: `tests/service/test_readme_server.py`."""
    blocks = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "127.0.0.1" not in block]
    assert len(blocks) == 1
    done = subprocess.run([sys.executable, "-c", blocks[0]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_every_command_and_option_exists() -> None:
    """What the README and the page on CI name, the command's help names too."""
    helps = {}
    names = "list|check|compare|fidelity|report|size|time|memory|throughput|diff|gate|decide|export|figures|serve"
    for name in set(re.findall(rf"`?serlab ({names})\b", TEXT)):
        done = subprocess.run(
            [sys.executable, "-m", "serlab", name, "--help"], capture_output=True, text=True, cwd=ROOT
        )
        helps[name] = done.stdout
    assert len(helps) >= 5 and all(helps.values())
    for option in set(re.findall(r"(?<![\w-])--[a-z]+", TEXT)):
        assert any(option in text for text in helps.values()), option


def test_its_files_exist() -> None:
    """Every linked file and picture is in the project."""
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links and all((ROOT / link).is_file() for link in links)


def test_every_make_target_exists() -> None:
    """`make X` in the README is a target of the Makefile."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) | set(re.findall(r"`make ([a-z]+)", README))
    assert {"compare", "test"} <= named <= set(targets)
