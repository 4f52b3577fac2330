"""Print the shape of the package: its size, who imports whom, and what stands in more than one place.

    python scripts/shape.py             the numbers
    python scripts/shape.py --places    also where each break of a rule stands
    python scripts/shape.py --ways      also the three traced ways, which run commands and take minutes
    python scripts/shape.py --json      one JSON object

Written for whoever changes the layout: a number that became worse wants a reason. Nothing is imported but for the ways
and for the names of the codecs; files are read and parsed. `serlab/generated` counts for nothing.

What is counted:

lines of code: without docstrings, comments, imports and blank lines. A body is a function without its signature.
importers: other modules of the package. Imports in functions and for type checks count, and so does a string that is a
    module's name (or the start of one, in an f-string that ends there in a dot): it ends in `import_module` or `-m`.
circles: groups of modules that import each other as they are loaded, and with the imports in functions too.
codec names: strings outside `codecs/` that are a codec's name or a variant's ending, in TOML and JavaScript, too. The
    word `json` is counted by itself: it names a format and an option as well.
parsed names: `startswith`, `endswith`, `split`, `partition`, `removesuffix` and the like, `in` and regular expressions,
    on a variable or column that holds the name of a codec, an operation or a condition, or with one of the marks that
    such names are made of.
past a front door: imports of a package's module from outside of that package, in place of the package.
edits for a field: the lines that have to be written by hand. Of each field with an underscore in its name (others are
    words of prose) the lines that declare it: `name:` and `name =` in the classes of `messages/` and in the schemas,
    unless a schema says in its first lines that it is generated, or `numbers.toml` has the numbers it is made with.
    The median of them.
files on a way: those of which a function runs, in any process. What runs only while a module is imported is left out.
"""

import argparse
import ast
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

HOME = Path(__file__).resolve().parents[1]
LONG_BODY = 40
ENDINGS = ("-base64", "-bin", "-fresh", "-unverified")
PARSERS = {
    "startswith", "endswith", "split", "rsplit", "partition", "rpartition", "removeprefix", "removesuffix",
    "match", "search", "fullmatch", "contains",
}  # fmt: skip
NAMED = {
    "codec",
    "codecs",
    "arm",
    "arms",
    "operation",
    "operations",
    "conditions",
    "condition",
    "mode",
    "under",
    "unit",
}
"""Variables and columns that hold a name that was put together."""

PERHAPS, SEPARATORS = {"name", "names", "each", "one"}, {" ", "/", "=", ", "}
"""Variables that often hold another name; they count beside a mark, or when they are split at what joins such names."""
MARKS = {"CONTROL", "BASE", "FLOOR", "ZSTD", "PREFIX", "BYTES_OF", "FORMULA"}
ELSEWHERE = {"error", "file", "path", "entry", "folder", "host", "header"}
GENERATED = re.compile(r"generated|written (by|from)|do not edit", re.IGNORECASE)


class Import(NamedTuple):
    """An imported module, the name taken out of it (or none), and whether it waits for a call or a type checker."""

    module: str
    name: str
    line: int
    late: bool


class Module(NamedTuple):
    """A parsed module: its name, whether it is a package's `__init__`, its path, its text and its tree."""

    name: str
    is_package: bool
    path: Path
    text: str
    tree: ast.Module


class Shape(NamedTuple):
    """The numbers, and for those that count breaks of a rule the places."""

    numbers: dict[str, Any]
    places: dict[str, list[str]]


def modules_of(package: Path) -> dict[str, Module]:
    """Return the modules of a package by name, without what is generated."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        if "generated" in parts or "__pycache__" in parts:
            continue
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        text = path.read_text(encoding="utf-8")
        found[name] = Module(name, is_package, path, text, ast.parse(text))
    return found


def is_docstring(node: ast.AST) -> bool:
    """Say whether a statement is a string and nothing else: of a module, a class, a function or a constant."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def code_lines(module: Module) -> set[int]:
    """Return the numbers of the lines that hold code."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type not in skipped:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) or is_docstring(node):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))  # type: ignore[attr-defined]
    return lines


def body_lengths(module: Module, lines: set[int]) -> Iterator[tuple[str, int]]:
    """Yield place and lines of code of each function's body."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if is_docstring(node.body[0]) else node.body
            if body:
                inside = range(body[0].lineno, (body[-1].end_lineno or 0) + 1)
                yield f"{module.path.name}:{node.lineno} {node.name}", len(lines.intersection(inside))


def late_nodes(tree: ast.Module) -> set[int]:
    """Return the ids of the nodes that do not run as the module is loaded."""
    late: set[int] = set()
    for node in ast.walk(tree):
        is_check = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or is_check:
            body = node.body if isinstance(node.body, list) else [node.body]  # type: ignore[attr-defined]
            late.update(id(each) for part in body for each in ast.walk(part))
    return late


def strings_of(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the strings of a module that are no docstrings."""
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            yield node


def imports_of(module: Module, known: Iterable[str]) -> list[Import]:
    """Return what a module imports of its package, by statements and by strings."""
    known = set(known)
    late, found = late_nodes(module.tree), []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found += [Import(one.name, "", node.lineno, id(node) in late) for one in node.names if one.name in known]
        elif isinstance(node, ast.ImportFrom):
            source = absolute(module, node)
            for one in node.names:
                if f"{source}.{one.name}" in known:
                    found.append(Import(f"{source}.{one.name}", "", node.lineno, id(node) in late))
                elif source in known:
                    found.append(Import(source, one.name, node.lineno, id(node) in late))
    pieces = {
        id(part.values[0]): str(part.values[0].value)
        for part in ast.walk(module.tree)
        if isinstance(part, ast.JoinedStr) and part.values and isinstance(part.values[0], ast.Constant)
    }
    for text in strings_of(module.tree):
        start = pieces.get(id(text), "")
        if start.endswith(".") and start[:-1] in known:
            inside = [name for name in known if name.startswith(start) and "." not in name[len(start) :]]
            found += [Import(name, "", text.lineno, True) for name in sorted(inside)]
        elif "." in str(text.value) and text.value in known:
            found.append(Import(str(text.value), "", text.lineno, True))
    return [one for one in found if one.module != module.name]


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """Return the module that an import names, also if it is relative."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    base = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*base, *filter(None, [node.module])])


def circles(imports: dict[str, list[Import]], with_late: bool) -> list[list[str]]:
    """Return the groups of modules that import each other: those that reach each other along imports."""
    ahead = {name: {one.module for one in ones if with_late or not one.late} for name, ones in imports.items()}
    reached: dict[str, set[str]] = {}
    for name in ahead:
        seen, waiting = set[str](), list(ahead[name])
        while waiting:
            if (other := waiting.pop()) not in seen:
                seen.add(other)
                waiting += ahead[other]
        reached[name] = seen
    groups = {frozenset(o for o in reached[name] if name in reached[o]) for name in ahead if name in reached[name]}
    return sorted(sorted(group) for group in groups)


def top_names(module: Module) -> list[str]:
    """Return the public functions and classes that a module defines at its top level."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for node in module.tree.body if isinstance(node, definitions)]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def taken_names(module: Module, imports: list[Import]) -> Iterator[tuple[str, str, int]]:
    """Yield module, name and line of all that a module takes out of others: by import, or as an attribute of one."""
    aliases: dict[str, str] = {}
    modules = {one.module for one in imports if not one.name}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            for one in node.names:
                if (whole := f"{absolute(module, node)}.{one.name}") in modules:
                    aliases[one.asname or one.name] = whole
        elif isinstance(node, ast.Import):
            aliases.update({one.asname or one.name: one.name for one in node.names if one.name in modules})
    yield from ((found.module, found.name, found.line) for found in imports if found.name)
    for node in ast.walk(module.tree):
        if aliases and isinstance(node, ast.Attribute) and (base := aliases.get(ast.unparse(node.value))):
            yield base, node.attr, node.lineno


def past_doors(importer: str, target: str, packages: set[str]) -> bool:
    """Say whether an import goes into a package, the whole one excepted, in which its module does not stand."""
    parts = target.split(".")
    above = {".".join(parts[:end]) for end in range(2, len(parts))} & packages
    return any(not f"{importer}.".startswith(f"{package}.") for package in above)


def identifiers(node: ast.AST) -> set[str]:
    """Return the names that stand in an expression: variables, attributes, keys."""
    found: set[str] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            found.add(each.id)
        elif isinstance(each, ast.Attribute):
            found.add(each.attr)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            found.add(each.value)
    return found


def parse_sites(module: Module) -> list[int]:
    """Return the lines where a name is taken apart."""
    lines = set[int]()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PARSERS:
            on = identifiers(node.func.value)
            given = set[str]().union(*(identifiers(argument) for argument in node.args))
            asked = on | given if on & {"re"} else on
            is_name = asked & NAMED or (asked & PERHAPS and given & SEPARATORS)
            if not on & ELSEWHERE and (is_name or given & {*MARKS, *ENDINGS}):
                lines.add(node.lineno)
        elif isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and node.left.id in MARKS:
            lines.add(node.lineno)
    return sorted(lines)


def untyped_dicts(module: Module) -> Iterator[int]:
    """Yield the lines that say `dict[str, Any]`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node) == "dict[str, Any]":
            yield node.lineno


def codec_strings(package: Path, modules: dict[str, Module], codecs: Iterable[str]) -> Iterator[str]:
    """Yield the places outside `codecs/` that name a codec."""
    wanted = {*codecs, *ENDINGS}
    for module in modules.values():
        if not f"{module.name}.".startswith(f"{package.name}.codecs."):
            for text in strings_of(module.tree):
                if text.value in wanted:
                    yield f"{module.path.relative_to(package)}:{text.lineno} {text.value}"
    quoted = re.compile(r"""(["'`])([\w-]+)\1|^\s*([\w-]+)\s*[=:]|\[\s*([\w-]+)\s*\]""")
    for path in sorted([*package.rglob("*.toml"), *package.rglob("*.js")]):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for match in quoted.finditer(line):
                name = next(filter(None, match.groups()[1:]))
                if name in wanted and (match[2] or path.suffix == ".toml"):
                    yield f"{path.relative_to(package)}:{number} {name}"


def edits_of_field(package: Path, modules: dict[str, Module], schemas: Path) -> float:
    """Return the median of the lines that declare a message's field by hand."""
    inside = [one for one in modules.values() if one.name.startswith(f"{package.name}.messages")]
    declared: Counter[str] = Counter()
    for module in inside:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                names = [
                    each.target.id
                    for each in node.body
                    if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
                ]
                declared.update(set(names))
    fields = {name: 1 for name, times in declared.items() if "_" in name.strip("_") and times == 1}
    by_hand = schemas.exists() and not (schemas / "numbers.toml").exists()
    for path in [*schemas.glob("*.proto"), *schemas.glob("*.fbs")] if by_hand else []:
        text = path.read_text(encoding="utf-8")
        if not GENERATED.search("\n".join(text.splitlines()[:10])):
            for name in fields:
                fields[name] += bool(re.search(rf"\b{name}\s*[:=]", text))
    return statistics.median(fields.values()) if fields else 0


def shape_of(package: Path, codecs: Iterable[str], schemas: Path) -> Shape:
    """Return the numbers of a package, and where each break of a rule stands."""
    modules = modules_of(package)
    where = {name: str(module.path.relative_to(package)) for name, module in modules.items()}
    code = {name: code_lines(module) for name, module in modules.items()}
    lengths = sorted(len(lines) for lines in code.values())
    physical = sorted(len(module.text.splitlines()) for module in modules.values())
    bodies = sorted((n, at) for name, module in modules.items() for at, n in body_lengths(module, code[name]))
    sizes = [n for n, _ in bodies]
    imports = {name: imports_of(module, modules) for name, module in modules.items()}
    importers: dict[str, set[str]] = defaultdict(set)
    taken, private = set[tuple[str, str]](), []
    for name, ones in imports.items():
        for one in ones:
            importers[one.module].add(name)
        for source, what, line in taken_names(modules[name], ones):
            taken.add((source, what))
            if what.startswith("_") and not what.startswith("__"):
                private.append(f"{where[name]}:{line} {source}.{what}")
    packages = {name for name, module in modules.items() if module.is_package}
    publics = [(name, each) for name, module in modules.items() for each in top_names(module)]
    stems = Counter(module.path.stem for module in modules.values() if not module.is_package)
    named = list(codec_strings(package, modules, codecs))
    places = {
        "circles_loading": [" ".join(group) for group in circles(imports, with_late=False)],
        "circles_all": [" ".join(group) for group in circles(imports, with_late=True)],
        "one_importer": [where[n] for n, m in modules.items() if not m.is_package and len(importers[n]) <= 1],
        "codec_names_outside": [place for place in named if not place.endswith(" json")],
        "word_json_outside": [place for place in named if place.endswith(" json")],
        "parsed_names": [f"{where[n]}:{line}" for n, m in modules.items() for line in parse_sites(m)],
        "untyped_dicts": [f"{where[n]}:{line}" for n, m in modules.items() for line in untyped_dicts(m)],
        "publics_not_imported": [f"{where[n]} {each}" for n, each in publics if (n, each) not in taken],
        "private_imported": sorted(set(private)),
        "past_front_door": sorted(
            {
                f"{where[name]}:{one.line} {one.module}"
                for name, ones in imports.items()
                for one in ones
                if past_doors(name, one.module, packages)
            }
        ),
        "names_twice": [f"{stem} {times}" for stem, times in sorted(stems.items()) if times > 1],
        "long_bodies": [f"{at} {n}" for n, at in bodies if n > LONG_BODY],
    }
    numbers = {
        "files": len(modules),
        "lines": sum(physical),
        "code_lines": sum(lengths),
        "module_median_lines": statistics.median(physical),
        "module_longest_lines": physical[-1],
        "body_median": statistics.median(sizes) if sizes else 0,
        "body_p90": sizes[int(0.9 * (len(sizes) - 1))] if sizes else 0,
        "body_longest": f"{bodies[-1][1]} ({bodies[-1][0]})" if bodies else "",
        "publics": len(publics),
        "edits_for_a_field": edits_of_field(package, modules, schemas),
        **{name: len(found) for name, found in places.items()},
    }
    return Shape(numbers, places)


TRACER = """
import os, sys, threading

HOME, SEEN, TO = {home!r}, set(), {to!r}

def importing(frame):
    while frame := frame.f_back:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(HOME):
            return frame.f_globals.get("__name__") != "__main__"
    return False

def entered(frame, event, argument):
    file = frame.f_code.co_filename
    if file in SEEN or not file.startswith(HOME) or not frame.f_code.co_flags & 1 or importing(frame):
        return
    SEEN.add(file)
    with open(TO, "a") as stream:
        stream.write(file + "\\n")

threading.settrace(entered)
sys.settrace(entered)
"""
"""Writes the file of each function that is entered. As `sitecustomize` it is in every child with the same path."""

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
ENCODE = """
import sys
from serlab import ChatRequest, open_codec
from serlab.messages import from_document
body = from_document(ChatRequest, {body!r})
sitecustomize = sys.modules["sitecustomize"]
if {opened}:
    codec = open_codec("flatbuffers", ChatRequest)
    sitecustomize.SEEN.clear()
    open(sitecustomize.TO, "w").close()
else:
    sitecustomize.SEEN.clear()
    open(sitecustomize.TO, "w").close()
    codec = open_codec("flatbuffers", ChatRequest)
    sys.exit()
codec.encode(body)
"""


def ways(package: Path) -> dict[str, Any]:
    """Run four commands and return the files that each enters; an experiment that lacks its libraries is None."""
    compare = ["-m", package.name, "compare", "--quick", "--corpus", "CORPUS", "--codec", "json", "--codec", "orjson"]
    wire = ["-m", package.name, "wire", "transport", "--quick", "--codec", "json", "--codec", "protobuf"]
    found = {
        "way_line_to_table": [*compare, "--operation", "decode", "-o", "OUT"],
        "way_wire_transport": [*wire, "-o", "OUT"],
        "way_flatbuffers_open": ["-c", ENCODE.format(body=BODY, opened=False)],
        "way_flatbuffers_encode": ["-c", ENCODE.format(body=BODY, opened=True)],
    }
    return {name: entered_by(package, command) for name, command in found.items()}


def entered_by(package: Path, command: list[str]) -> list[str] | None:
    """Return the files of a package that a command of Python enters, in whatever process; None if it fails."""
    with tempfile.TemporaryDirectory(prefix="shape-") as folder:
        to, corpus = Path(folder, "entered"), Path(folder, "one.jsonl")
        to.touch()
        corpus.write_text(json.dumps(BODY) + "\n")
        Path(folder, "sitecustomize.py").write_text(TRACER.format(home=str(package) + os.sep, to=str(to)))
        places = {"CORPUS": str(corpus), "OUT": str(Path(folder, "out"))}
        done = subprocess.run(
            [sys.executable, *(places.get(part, part) for part in command)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([folder, str(package.parent)])},
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            print(textwrap.shorten(done.stderr or done.stdout, 400), file=sys.stderr)
            return None
        files = {str(Path(line).relative_to(package)) for line in to.read_text().splitlines()}
        return sorted(file for file in files if not file.startswith("generated"))


def codec_names(home: Path) -> list[str]:
    """Ask the package for the names of its codecs, in a process of its own."""
    code = "from serlab.codecs import codec_names; print(*codec_names())"
    done = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True)
    return done.stdout.split()


def files_table(package: Path) -> str:
    """Return a Markdown table of the package's modules, each with the first sentence of its docstring."""
    rows = ["| file | what it holds |", "| --- | --- |"]
    for path in sorted(package.rglob("*.py"), key=lambda path: (path.parent, path.name != "__init__.py", path.name)):
        if "generated" not in path.relative_to(package).parts:
            text = ast.get_docstring(ast.parse(path.read_text())) or ""
            first = " ".join(text.split("\n\n")[0].split()).replace("|", "\\|")
            rows.append(f"| `{path.relative_to(package)}` | {first} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Print the shape of the package that stands beside this script's folder, or under `--home`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=HOME, help="the folder that holds serlab/ and schemas/")
    parser.add_argument("--places", action="store_true", help="list where each break of a rule stands")
    parser.add_argument("--ways", action="store_true", help="trace the three ways: minutes, and the extra `service`")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--files", action="store_true", help="print the table of files in docs/architecture.md instead")
    given = parser.parse_args()
    package = given.home.resolve() / "serlab"
    if given.files:
        print(files_table(package), end="")
        return
    shape = shape_of(package, codec_names(given.home), given.home / "schemas")
    traced = ways(package) if given.ways else {}
    numbers = {**shape.numbers, **{name: files and len(files) for name, files in traced.items()}}
    places = {**shape.places, **{name: files or [] for name, files in traced.items()}} if given.places else {}
    if given.json:
        print(json.dumps({"numbers": numbers, "places": places}, indent=1))
        return
    for name, value in numbers.items():
        print(f"{name.replace('_', ' '):28}{value}")
        for place in places.get(name, []):
            print(f"    {place}")


if __name__ == "__main__":
    main()
