"""The README and the pages under docs/ say what is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.shape import files_table
from tests.conftest import ROOT
from tests.project.test_imports import LAYERS, MODULES, name_of, part

README = (ROOT / "README.md").read_text()
TEXT = README + (ROOT / "docs/ci.md").read_text() + (ROOT / "docs/decide.md").read_text()
TEXT += (ROOT / "docs/service.md").read_text()
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_example_runs() -> None:
    """The Python block is executed as it stands; those that need a server: `tests/wire/test_readme_server.py`."""
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


def anchors(page: Path) -> set[str]:
    """List the anchors of a page: those that GitHub gives to headings, and those that it sets itself."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    named = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return named | set(re.findall(r'<a id="([^"]+)"', text))


def test_every_link_between_pages_leads_somewhere() -> None:
    """To a file that is there, and to a heading in it."""
    broken = []
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            if ":" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_architecture_names_every_part_and_what_it_may_import() -> None:
    """The table of the layers is that of `tests/project/test_imports.py`; the parts on top have one of their own."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|(?: ([^|]*)\| [^|]+ \|)?$", ARCHITECTURE, re.MULTILINE)
    layers = {name: set(re.findall(r"`(\w+)`", imports)) for name, imports in rows if name in LAYERS}
    assert layers == LAYERS
    assert {name for name, _ in rows} == {part(name_of(path)) for path in MODULES} - {""}


def test_architecture_names_files_that_there_are() -> None:
    """Every path under serlab/."""
    paths = re.findall(r"`(serlab/[\w/.]*)`", ARCHITECTURE)
    assert len(paths) > 50 and [path for path in paths if not (ROOT / path).exists()] == []


def test_architecture_says_of_every_file_what_it_holds() -> None:
    """The table is that of `python -m scripts.shape --files`."""
    assert files_table(ROOT / "serlab") in ARCHITECTURE
