"""Imports go one way, and importing serlab loads no codec's library."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serlab.codecs.info import BUILT_IN
from tests.support.loops import every

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for path in (ROOT / "serlab").rglob("*.py") if "generated" not in path.parts)

PACKAGES = {".".join(path.parent.relative_to(ROOT).parts) for path in MODULES if path.name == "__init__.py"}

LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "doors": set(),
    "visible": set(),
    "console": {"visible"},
    "limits": set(),
    "folders": set(),
    "records": set(),
    "messages": set(),
    "scratch": set(),
    "rows": {"cases", "folders", "records", "visible"},
    "results": {"rows", "cases", "folders", "records"},
    "cases": set(),
    "stats": set(),
    "codecs": {"messages", "generated", "limits"},
    "workloads": {"messages"},
    "sse": set(),
    "frames": set(),
    "streams": set(),
    "kinds": {"codecs", "streams"},
    "hints": {"kinds", "sse", "streams"},
    "corpus": {"messages", "codecs", "limits", "kinds", "sse", "streams", "hints"},
    "measure": {
        "messages",
        "codecs",
        "workloads",
        "corpus",
        "hints",
        "limits",
        "folders",
        "records",
        "results",
        "rows",
        "cases",
        "stats",
        "visible",
        "scratch",
    },
    "wire": {
        "messages",
        "generated",
        "codecs",
        "limits",
        "frames",
        "sse",
        "workloads",
        "corpus",
        "measure",
        "results",
        "cases",
        "stats",
        "records",
        "scratch",
    },
    "report": {"codecs", "folders", "results", "rows", "cases", "stats", "records", "console", "visible"},
    "fidelity": {"messages", "folders", "codecs", "report", "results", "console"},
    "verdicts": {"results", "rows", "cases", "stats", "report", "console"},
    "decide": {"codecs", "results", "rows", "cases", "stats", "records", "report", "messages", "console", "visible"},
    "page": {"folders", "results", "rows", "cases", "stats", "records", "report", "decide", "visible"},
}
"""Part of serlab → the parts that it may import, itself, errors and doors aside. A part that is not here is at the top:
it may import anything, and only what is at the top may import it."""

LIBRARIES = {"orjson", "msgpack", "google.protobuf", "flatbuffers", "grpc", "pandas", "pyarrow", "memray", "pyperf"}


def part(module: str) -> str:
    """Name the part of serlab that a module belongs to; "" for the package itself, which only re-exports."""
    return module.split(".")[1] if "." in module else ""


def name_of(path: Path) -> str:
    """Name the module in a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """List the modules of serlab that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from (
                [f"serlab.{alias.name}" for alias in node.names] if node.module == "serlab" else [node.module or ""]
            )


@every("path", MODULES, ids=lambda path: name_of(path))
def test_module_imports_only_what_its_layer_may(path: Path) -> None:
    """The table above is the design's."""
    own = part(name_of(path))
    used = {part(module) for module in imported(path) if module.partition(".")[0] == "serlab"} - {
        own,
        "errors",
        "doors",
        "",
    }
    if own in LAYERS:
        assert used - LAYERS[own] == set()


@every("path", MODULES, ids=lambda path: name_of(path))
def test_a_package_is_entered_by_its_front_door(path: Path) -> None:
    """Who stands outside of a package imports it, and none of its modules; strings in `import_module` are imports."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    strings = [one.value for call in calls for one in call.args if isinstance(one, ast.Constant)]
    named = [one for one in strings if isinstance(one, str) and re.fullmatch(r"serlab(\.\w+)+", one)]
    own = f"{name_of(path)}."
    past = [one for one in (*imported(path), *named) if any(not own.startswith(f"{door}.") for door in doors(one))]
    assert past == []


def doors(module: str) -> list[str]:
    """List the packages that a module stands in, without serlab itself."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(2, len(parts)) if ".".join(parts[:end]) in PACKAGES]


def test_every_layer_that_is_built_is_found() -> None:
    """So that a renamed folder does not slip through."""
    found = {part(name_of(path)) for path in MODULES}
    assert set(LAYERS) - found == set()


@pytest.mark.parametrize("module", ["serlab", "serlab.codecs", "serlab.messages", "serlab.workloads"])
def test_import_loads_no_codec_library(module: str) -> None:
    """A codec's library is loaded when it is opened, so one that is broken or missing harms no other."""
    code = f"import sys, {module}\nprint(*sorted({LIBRARIES!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_opening_a_codec_loads_its_library_and_no_others() -> None:
    """The standard library's codec needs none at all."""
    code = "import sys\nfrom serlab.codecs import open_codec\nopen_codec('json', 'ChatRequest')\n"
    code += f"print(*sorted({LIBRARIES!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@every("name", BUILT_IN)
def test_registry_names_a_module_for_every_codec(name: str) -> None:
    """Each has `make`, and a docstring that lists its deviations."""
    module = str(BUILT_IN[name].make).removesuffix(":make")
    path = ROOT / f"{module.replace('.', '/')}.py"
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    tree = ast.parse(path.read_text())
    assert "make" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert (ast.get_docstring(tree) or "").count("\n- ") >= 2


EVERYDAY = "json"
"""A codec's name that is also a word of data: an object's key, an ending of files."""


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the texts of a module that are no docstrings."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node


def test_no_codec_is_known_by_its_name_outside_its_package() -> None:
    """What has to tell codecs apart asks their records, so that another package's codec is told apart as well."""
    found = [
        f"{path.relative_to(ROOT)}:{text.lineno}: {text.value}"
        for path in MODULES
        if "codecs" not in path.parts
        for text in texts(ast.parse(path.read_text()))
        if text.value in BUILT_IN and text.value != EVERYDAY
    ]
    quoted = re.compile("|".join(f"[\"']{name}[\"']" for name in BUILT_IN if name != EVERYDAY))
    data = [path for suffix in ("toml", "js", "html") for path in (ROOT / "serlab").rglob(f"*.{suffix}")]
    found += [f"{path.relative_to(ROOT)}: {name}" for path in data for name in quoted.findall(path.read_text())]
    opened = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        if "codecs" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("open_codec", "codec_info", "find_info")
        if node.args and isinstance(node.args[0], ast.Constant)
    ]
    assert data and found == [] and opened == []


def test_no_name_of_a_codec_is_parsed_or_put_together() -> None:
    """Whether a codec is a variant, and of what, is in its record."""
    endings = {info.name.removeprefix(info.variant_of) for info in BUILT_IN.values() if info.variant_of}
    found = [
        f"{path.relative_to(ROOT)}:{text.lineno}: {text.value}"
        for path in MODULES
        if path.name != "info.py"
        for text in texts(ast.parse(path.read_text()))
        if text.value in endings | {ending.removeprefix("-") + "-" for ending in endings}
    ]
    divided = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") in ("split", "rsplit", "partition", "rpartition")
        if node.args and getattr(node.args[0], "value", None) == "-"
    ]
    assert len(endings) == 5 and found == [] and divided == []
