"""Merge modules of the package mechanically, by maps that say which modules become which.

    python -m scripts.house.move MAPS... --dry        say what would be written, and what is left to do by hand
    python -m scripts.house.move MAPS... --suggest    print the renames that are needed, ready for [renames], and stop
    python -m scripts.house.move MAPS...              do it: a clean working tree, please; git shows the rest
    python -m scripts.house.move --imports            import each module of the package and say which fail

A tool for one rebuilding: once the package has been merged, this folder goes again.

All maps that are given are applied in one go, so that they may refer to each other (`scripts/house/maps/*.toml` are
meant to be given together). Nothing is written if anything is an ERROR. A map, with names without `serlab.`:

    [modules]
    "report.export" = ["report.export", "report.latex"]     # new module = old ones; the first gives the docstring
    [renames]
    "report.latex.table" = "latex_table"                    # a top-level name of an old module = its new name
    [resolve]
    auto = true             # names that would collide become STEM_NAME, and are printed as lines for [renames]
    [[replace]]
    file = "serlab/report/export.py"                        # of the merged tree
    old = "..."
    new = "..."
    count = 2               # how often `old` stands there, if not once

What it does: the members of a module are put one after another, what is used while loading above its use. Their imports
are gathered at the top, the docstrings of all but the first become comments, and a name that stands in several members
is renamed. In all other modules, tests, scripts, notebooks, documents and settings, imports and dotted names (also in
strings, as `serlab.a.b:name`) and paths such as serlab/a/b.py follow. A module that no map names stays.

After it, in this order:

    ruff check --select I,F401,F811 --fix . && ruff format . && ruff check .
    mypy
    python -m scripts.house.move --imports
    python -m pytest --collect-only -q                      # with the extras, and in an environment without them
    python -m pytest tests/test_imports.py -q

What to look at by hand:

- `LAYERS` in tests/test_imports.py, and names.toml of the record (`scripts/oracle`), which name old modules.
- Paths that are put together of parts, such as `ROOT / "serlab" / "codecs" / "flatbuffers.py"`, names of files, such as
  `OWN` in tests/service/test_entrance_server.py, and module names in f-strings. A `glob` in a folder that is one module
  now finds nothing, and says nothing: its test passes and no longer tests.
- Each `replace by hand`: a [[replace]] that no longer matches, since the code has changed. It is left out.
- Each `now loads`: a module that would load a library that it does without today. A codec's library is loaded when the
  codec is opened, an extra's when it is needed, pandas not in a process that measures: take the member that brings it
  out of the map. It does no harm where all that import the module load the library anyway.
- Each `look at`: `__file__`, `__getattr__`, `import_module` and the like mean another module after the move.
- Each `stays`: right for a module that is a subject of its own, wrong for one that the maps do not know yet.
- Docstrings: that of a merged module speaks of its first member only; names made by `auto` are better given by hand.
"""

import argparse
import ast
import builtins
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

HOME = Path(__file__).resolve().parents[2]
PACKAGE = "serlab"
SELF = HOME / "scripts" / "house"
"""This folder, whose maps are not edited."""

TEXTS = {".md", ".toml", ".yml", ".yaml", ".ipynb", ".cfg", ".in", ".js", ".html"}
"""Endings of files other than Python's in which names and paths are edited; a Makefile, too."""
BUILTINS = set(dir(builtins))
LIBRARIES = {
    "orjson", "msgpack", "google", "flatbuffers", "pandas", "pyarrow", "memray", "pyperf", "granian", "starlette",
    "trustme", "httpx2", "h2", "grpc", "redis", "openai", "aiohttp", "lmdb", "matplotlib", "yarl", "IPython",
}  # fmt: skip
"""What is loaded only where it is needed: the codecs' libraries, heavy ones, and those of the extras."""
OF_A_MODULE = (
    "__file__", "import_module(", "__getattr__", "sys.modules", "resources.files", "__name__", "getmodule", "globals()",
)  # fmt: skip
"""What means another module once its line has moved."""
DOTTED = re.compile(rf"(?<![\w./@-]){PACKAGE}((?:\.[A-Za-z_]\w*)+)")
SLASHED = re.compile(rf"\b{PACKAGE}/([a-z_/]+)\.py\b")

ERRORS: list[str] = []
NOTES: list[str] = []

Function = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Block = ast.If | ast.Try | ast.With | ast.For
Edit = tuple[int, int, str]
"""Start, end and the new text."""
Name = tuple[str, str]
"""A module and a name of it."""


def error(text: str) -> None:
    """Remember what keeps everything from being written."""
    ERRORS.append(text)


def note(text: str) -> None:
    """Remember what a person has to look at."""
    NOTES.append(text)


def finish(status: int) -> NoReturn:
    """Print notes and errors, and end with a status."""
    for text in dict.fromkeys(NOTES):
        print("note:", text)
    for text in dict.fromkeys(ERRORS):
        print("ERROR:", text)
    raise SystemExit(status)


# Reading


class Import(NamedTuple):
    """An import statement.

    Attributes:
        node: the statement.
        kind: at the top of the module, there for type checkers, or nested in something.
        owner: the function that it stands in, or the `if TYPE_CHECKING`.
        body: the statements that it is one of.
    """

    node: ast.Import | ast.ImportFrom
    kind: Literal["top", "checking", "nested"]
    owner: Any
    body: list[ast.stmt]


class Use(NamedTuple):
    """A place that means a name of the module: as a name, its definition, `global`, in an f-string or in a string."""

    node: Any
    kind: Literal["name", "def", "global", "fstring", "string"]


class Access(NamedTuple):
    """An attribute of a name of the module, the names that are hidden there, and the f-string that it stands in."""

    node: ast.Attribute
    hidden: frozenset[str]
    fstring: ast.JoinedStr | None


class Source:
    """A parsed Python file with what is needed to edit it by offsets.

    Attributes:
        path: the file.
        name: the module's name.
        is_package: whether it is a package's `__init__`.
        text: its text, as it was read.
        lines: its lines with their ends.
        starts: the offset of each line.
        edits: what is to be changed.
        imports: its imports, wherever they stand.
        defs: what is bound at module level other than by an import: name → statement.
        uses: name of the module → the places that mean it and not a local of the same name.
        accesses: name of the module → its attributes that are read or written.
        all_names: each name that occurs, local or not.
    """

    def __init__(self, path: Path, name: str, is_package: bool = False) -> None:
        self.path, self.name, self.is_package = path, name, is_package
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.lines = self.text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.edits: list[Edit] = []
        self.imports = list(imports_of(self.tree))
        self.defs = definitions_of(self.tree)
        found = NameFinder(self.tree, self.defs)
        self.uses, self.accesses, self.all_names = found.uses, found.accesses, found.all_names

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a place that `ast` gives in lines and bytes."""
        text = self.lines[line - 1]
        return self.starts[line - 1] + (column if text.isascii() else len(text.encode()[:column].decode()))

    def span(self, node: Any) -> tuple[int, int]:
        """Return the start and the end of a node."""
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def whole_lines(self, node: Any) -> tuple[int, int]:
        """Return the start and the end of the lines that a node stands in."""
        return self.starts[node.lineno - 1], self.starts[node.end_lineno]

    def absolute(self, node: ast.ImportFrom) -> str:
        """Return the module that a `from` imports of."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        return ".".join([*parts[: len(parts) - node.level + self.is_package], *filter(None, [node.module])])

    def edited(self) -> str:
        """Return the text with all edits."""
        return with_edits(self.text, self.edits)


def imports_of(tree: ast.Module) -> Iterator[Import]:
    """Yield the imports of a module."""

    def visit(body: list[Any], kind: Any, owner: Any) -> Iterator[Import]:
        for node in body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield Import(node, kind, owner, body)
            elif kind == "top" and is_type_checking(node):
                yield from visit(node.body, "checking", node)
            else:
                inside = node if isinstance(node, Function) else owner
                for field in ("body", "orelse", "finalbody"):
                    part = getattr(node, field, [])
                    if isinstance(part, list):
                        yield from visit(part, "nested", inside)
                for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
                    yield from visit(part.body, "nested", inside)

    return visit(tree.body, "top", None)


def is_type_checking(node: ast.stmt) -> bool:
    """Say whether a statement is `if TYPE_CHECKING` without an `else`."""
    return (
        isinstance(node, ast.If)
        and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        and not node.orelse
    )


def definitions_of(tree: ast.Module) -> dict[str, Any]:
    """Return the names that a module binds other than by an import, each with the statement that does."""
    found: dict[str, Any] = {}

    def head(node: ast.stmt) -> Iterator[ast.AST]:
        """Yield the nodes of a block that are not among its statements."""
        for name, value in ast.iter_fields(node):
            if name not in ("body", "orelse", "finalbody", "handlers"):
                for one in value if isinstance(value, list) else [value]:
                    if isinstance(one, ast.AST):
                        yield from ast.walk(one)

    def visit(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, Function | ast.ClassDef):
                found.setdefault(node.name, node)
                continue
            for each in head(node) if isinstance(node, Block) else ast.walk(node):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    found.setdefault(each.id, node)
            if isinstance(node, Block):
                for field in ("body", "orelse", "finalbody"):
                    visit(getattr(node, field, []))
                for handler in getattr(node, "handlers", []):
                    visit(handler.body)

    visit(tree.body)
    # A comprehension's variables are not the module's.
    own = {id(name) for node in ast.walk(tree) if isinstance(node, ast.comprehension) for name in ast.walk(node.target)}
    stored = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in own
    }
    return {name: node for name, node in found.items() if isinstance(node, Function | ast.ClassDef) or name in stored}


class NameFinder:
    """Finds for each name of a module the places that mean the module's own, and not what hides it.

    See `Source` for what it finds. While it visits, `hidden` are the names that functions around hide, and `of_class`
    those of the class whose body it is in, which hide there and not in the class's functions.
    """

    def __init__(self, tree: ast.Module, defs: dict[str, Any]) -> None:
        self.defs = defs
        self.uses: dict[str, list[Use]] = defaultdict(list)
        self.accesses: dict[str, list[Access]] = defaultdict(list)
        self.all_names: Counter[str] = Counter()
        self.fstring: ast.JoinedStr | None = None
        self.visit(tree, frozenset(), frozenset())

    def visit(self, node: Any, hidden: frozenset[str], of_class: frozenset[str]) -> None:
        """Look at a node, a list of them, or nothing."""
        if node is None:
            return
        if isinstance(node, list):
            for one in node:
                self.visit(one, hidden, of_class)
        elif isinstance(node, Function | ast.Lambda):
            self.visit_function(node, hidden, of_class)
        elif isinstance(node, ast.ClassDef):
            self.all_names[node.name] += 1
            if node.name not in hidden and self.is_own(node):
                self.uses[node.name].append(Use(node, "def"))
            around = [*node.decorator_list, *node.bases, *[keyword.value for keyword in node.keywords]]
            self.visit(around, hidden, of_class)
            self.visit(node.body, hidden, bound_in(node))
        elif isinstance(node, Comprehension):
            self.visit_comprehension(node, hidden, of_class)
        elif isinstance(node, ast.AnnAssign):
            self.visit(node.target, hidden, of_class)
            self.visit_annotation(node.annotation, hidden, of_class)
            self.visit(node.value, hidden, of_class)
        elif isinstance(node, ast.JoinedStr):
            outer, self.fstring = self.fstring, self.fstring or node
            for value in node.values:
                self.visit(value, hidden, of_class)
            self.fstring = outer
        elif isinstance(node, ast.Global):
            for name in node.names:
                self.uses[name].append(Use(node, "global"))
        elif isinstance(node, ast.Name):
            self.all_names[node.id] += 1
            if node.id not in hidden and node.id not in of_class:
                self.uses[node.id].append(Use(self.fstring, "fstring") if self.fstring else Use(node, "name"))
        else:
            self.visit_other(node, hidden, of_class)

    def is_own(self, node: Any) -> bool:
        """Say whether a function or class is the module's own of that name."""
        return self.defs.get(node.name) is node

    def visit_function(self, node: Any, hidden: frozenset[str], of_class: frozenset[str]) -> None:
        """Look at a function: its defaults and annotations outside, its body inside."""
        if not isinstance(node, ast.Lambda):
            self.all_names[node.name] += 1
            self.visit(node.decorator_list, hidden, of_class)
            self.visit_annotation(node.returns, hidden, of_class)
            if node.name not in hidden and node.name not in of_class and self.is_own(node):
                self.uses[node.name].append(Use(node, "def"))
        self.visit([*node.args.defaults, *filter(None, node.args.kw_defaults)], hidden, of_class)
        for argument in arguments_of(node):
            self.all_names[argument.arg] += 1
            self.visit_annotation(argument.annotation, hidden, of_class)
        self.visit(node.body, hidden | bound_in(node), frozenset())

    def visit_comprehension(self, node: Any, hidden: frozenset[str], of_class: frozenset[str]) -> None:
        """Look at a comprehension, whose variables hide names in all but its first iterable."""
        variables = frozenset(
            name.id for part in node.generators for name in ast.walk(part.target) if isinstance(name, ast.Name)
        )
        self.all_names.update(variables)
        self.visit(node.generators[0].iter, hidden, of_class)
        inside = hidden | variables
        for number, part in enumerate(node.generators):
            if number:
                self.visit(part.iter, inside, of_class)
            self.visit(part.ifs, inside, of_class)
        made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self.visit(made, inside, of_class)

    def visit_other(self, node: ast.AST, hidden: frozenset[str], of_class: frozenset[str]) -> None:
        """Look at what binds nothing by itself."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = node.value.id
            if name not in hidden and name not in of_class:
                self.accesses[name].append(Access(node, hidden | of_class, self.fstring))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("cast", "typing.cast") and node.args:
            self.visit_annotation(node.args[0], hidden, of_class)
        for child in ast.iter_child_nodes(node):
            self.visit(child, hidden, of_class)

    def visit_annotation(self, node: ast.expr | None, hidden: frozenset[str], of_class: frozenset[str]) -> None:
        """Look at an annotation, and into the strings in it."""
        if node is None:
            return
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                try:
                    inner = ast.parse(each.value, mode="eval")
                except SyntaxError:
                    continue
                for name in ast.walk(inner):
                    if isinstance(name, ast.Name) and name.id not in hidden:
                        self.uses[name.id].append(Use(each, "string"))
                        self.all_names[name.id] += 1
        self.visit(node, hidden, of_class)


def arguments_of(node: Any) -> list[ast.arg]:
    """Return the arguments of a function."""
    args = node.args
    found = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    return [argument for argument in found if argument]


def bound_in(node: Any) -> frozenset[str]:
    """Return the names that a function or the body of a class binds."""
    names: set[str] = set()
    elsewhere: set[str] = set()
    if isinstance(node, Function | ast.Lambda):
        names.update(argument.arg for argument in arguments_of(node))

    def walk(part: ast.AST) -> None:
        match part:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(part.name)
                return
            case ast.Lambda():
                return
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                names.update(each.target.id for each in ast.walk(part) if isinstance(each, ast.NamedExpr))
                return
            case ast.Global():
                elsewhere.update(part.names)
            case ast.Name(ctx=ast.Store() | ast.Del()):
                names.add(part.id)
            case ast.Import() | ast.ImportFrom():
                names.update(alias.asname or alias.name.split(".")[0] for alias in part.names)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
            case ast.MatchMapping(rest=str(rest)):
                names.add(rest)
        for child in ast.iter_child_nodes(part):
            walk(child)

    for part in node.body if isinstance(node.body, list) else [node.body]:
        walk(part)
    return frozenset(names - elsewhere)


# The plan


class Maps(NamedTuple):
    """The maps together: new module → old ones, name of an old module → its new name, texts to replace, and `auto`."""

    modules: dict[str, list[str]]
    renames: dict[str, str]
    replacements: list[dict[str, Any]]
    auto: bool


class Target(NamedTuple):
    """What an import or a name means.

    Kinds: a module ("mod"), a module by `import a.b` ("dotted"), a name of a module ("name"). Where meanings are
    compared, a name is one that the package defines ("def") or one of a library ("ext").
    """

    kind: Literal["mod", "dotted", "name", "def", "ext"]
    module: str
    name: str = ""

    @property
    def of_package(self) -> bool:
        """Say whether its module is one of the package."""
        return self.module.split(".")[0] == PACKAGE


def read_maps(paths: Iterable[Path]) -> Maps:
    """Read the maps."""
    maps = Maps({}, {}, [], False)
    for path in paths:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        for new, olds in data.get("modules", {}).items():
            if new in maps.modules:
                error(f"{path}: {new} is made by two maps")
            maps.modules[new] = olds
        maps.renames.update(data.get("renames", {}))
        maps.replacements.extend(data.get("replace", []))
        maps = maps._replace(auto=maps.auto or data.get("resolve", {}).get("auto", False))
    return maps


def full(name: str) -> str:
    """Return a module's name with the package's."""
    return f"{PACKAGE}.{name}" if name else PACKAGE


def short(name: str) -> str:
    """Return a module's name without the package's."""
    return name.removeprefix(f"{PACKAGE}.")


class Plan:
    """What becomes of each module and name.

    Attributes:
        auto: whether names that collide are renamed without a map.
        modules: the package's modules as they are; None for one that is generated.
        destination: old module → new one, for those that a map names.
        members: new module → old ones.
        renames: a module's name → its new name.
        alias_renames: a module and what it calls an import → what it is to call it.
        doubles: definitions that are dropped, since the same stands in another member.
        taken: how often another new module imports a name.
    """

    def __init__(self, maps: Maps) -> None:
        self.auto = maps.auto
        self.modules = read_package()
        self.destination: dict[str, str] = {}
        self.members: dict[str, list[str]] = {}
        self.renames: dict[Name, str] = {}
        self.alias_renames: dict[Name, str] = {}
        self.doubles: set[Name] = set()
        self.taken: Counter[Name] = Counter()
        for new, olds in maps.modules.items():
            self.add_module(new, olds)
        for place, name in maps.renames.items():
            self.add_rename(place, name)
        touched = {new.rpartition(".")[0] for new in self.members} - {PACKAGE}
        for name, file in self.modules.items():
            if file and name not in self.destination and name.rpartition(".")[0] in touched:
                note(f"stays, no map names it: {short(name)}")
        self.results = {self.new_of(name) for name in self.modules}
        self.sources = [*filter(None, self.modules.values()), *read_others()]
        self.count_taken()

    def add_module(self, new: str, olds: list[str]) -> None:
        """Take over a line of [modules]."""
        there = [old for old in olds if full(old) in self.modules]
        lost = [old for old in olds if full(old) not in self.modules]
        if there == [new] and len(olds) > 1:
            note(f"{new}: done before")
            return
        if lost:
            note(f"{new}: not there: {', '.join(lost)}" if there else f"{new}: none of its modules is there: {lost}")
        if not there:
            return
        present = self.modules.get(full(new))
        if full(new) in self.modules and new not in olds and not (present and present.is_package):
            error(f"{new} exists already and is not among its own old modules")
        for old in there:
            if full(old) in self.destination:
                error(f"{old} goes into two modules")
            self.destination[full(old)] = full(new)
        self.members[full(new)] = [full(old) for old in there]

    def add_rename(self, place: str, name: str) -> None:
        """Take over a line of [renames]."""
        module, _, old = place.rpartition(".")
        file = self.modules.get(full(module))
        if file is None:
            return
        if old not in file.defs and full(module) in self.destination:
            note(f"rename {place}: no such name")
            return
        self.renames[full(module), old] = name

    def count_taken(self) -> None:
        """Count what each new module imports of others."""
        for file in self.sources:
            for statement in file.imports:
                for alias in statement.node.names:
                    to = self.target(file, statement.node, alias)
                    if to.kind == "name":
                        at = self.origin(to.module, to.name)
                        if self.new_of(at.module) != self.new_of(file.name):
                            self.taken[at.module, at.name] += 1

    def file_of(self, name: str) -> Source:
        """Return a module that is not generated."""
        file = self.modules[name]
        assert file is not None, name
        return file

    def new_of(self, module: str) -> str:
        """Return the module that a module becomes; itself if no map names it."""
        return self.destination.get(module, module)

    def final(self, module: str, name: str) -> str:
        """Return the new name of a module's name."""
        return self.renames.get((module, name), name)

    def path_of(self, new: str) -> Path:
        """Return the file of a new module: an `__init__` if modules or data stand below it."""
        folder = HOME.joinpath(*new.split("."))
        code = {".py", ".pyc", ".pyi"}
        has_data = (folder / "__init__.py").exists() and any(
            path.is_file() and path.suffix not in code for path in folder.rglob("*")
        )
        is_package = has_data or any(other.startswith(f"{new}.") for other in self.results)
        return folder / "__init__.py" if is_package else folder.with_suffix(".py")

    def target(self, file: Source, node: ast.Import | ast.ImportFrom, alias: ast.alias) -> Target:
        """Return what an import takes in."""
        if isinstance(node, ast.Import):
            return Target("mod" if alias.asname else "dotted", alias.name)
        source = file.absolute(node)
        if f"{source}.{alias.name}" in self.modules:
            home = self.modules.get(source)
            if not (home and alias.name in home.defs):
                return Target("mod", f"{source}.{alias.name}")
        return Target("name", source, alias.name)

    def origin(self, module: str, name: str) -> Target:
        """Return where a name is defined, followed through the imports of modules that are merged."""
        seen: set[Name] = set()
        while module in self.destination and (module, name) not in seen:
            seen.add((module, name))
            file = self.modules.get(module)
            if file is None or name in file.defs:
                break
            to = self.imported_as(file, name)
            if to and to.kind == "name" and to.of_package:
                module, name = to.module, to.name
            elif to and to.kind == "mod" and to.module in self.modules:
                return Target("mod", to.module)
        return Target("name", module, name)

    def imported_as(self, file: Source, name: str) -> Target | None:
        """Return what a module imports under a name, other than inside of something; None for nothing."""
        for statement in file.imports:
            if statement.kind != "nested":
                for alias in statement.node.names:
                    if (alias.asname or alias.name) == name:
                        return self.target(file, statement.node, alias)
        return None

    def module_meant(self, file: Source, node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
        """Return the module that an import loads or takes a name of."""
        to = self.target(file, node, alias)
        return self.origin(to.module, to.name).module if to.kind == "name" else to.module

    def aliases(self, file: Source) -> dict[str, str]:
        """Return the modules of the package that a file imports, by the name that it calls them."""
        found = {}
        for statement in file.imports:
            for alias in statement.node.names:
                to = self.target(file, statement.node, alias)
                if to.kind == "name" and to.of_package:
                    to = self.origin(to.module, to.name)
                if to.kind == "mod" and to.module in self.modules:
                    found[alias.asname or alias.name] = to.module
        return found

    def name_of_attribute(self, module: str, attribute: str) -> str:
        """Return the new name of a module's attribute."""
        at = self.origin(module, attribute)
        return self.final(at.module, at.name) if at.kind == "name" else attribute


def read_package() -> dict[str, Source | None]:
    """Read the package's modules; None for one that is generated."""
    found: dict[str, Source | None] = {}
    for path in sorted((HOME / PACKAGE).rglob("*.py")):
        if "__pycache__" in path.parts:
            continue
        name, is_package = name_of(path)
        is_generated = "generated" in path.relative_to(HOME).parts and name != f"{PACKAGE}.generated"
        found[name] = None if is_generated else Source(path, name, is_package)
    return found


def read_others() -> list[Source]:
    """Read the other Python files of the project."""
    paths = [path for folder in ("tests", "scripts", "schemas", "notebooks") for path in (HOME / folder).rglob("*.py")]
    return [Source(path, *name_of(path)) for path in sorted(paths) if not path.is_relative_to(SELF)]


def name_of(path: Path) -> tuple[str, bool]:
    """Return the module's name of a file, and whether it is a package's `__init__`."""
    name = ".".join(path.relative_to(HOME).with_suffix("").parts)
    return name.removesuffix(".__init__"), name.endswith(".__init__")


def order_of(plan: Plan, new: str) -> list[str]:
    """Return the members in an order in which what is used while loading stands above its use."""
    members = plan.members[new]
    needs: dict[str, set[str]] = {member: set() for member in members}
    for member in members:
        file = plan.file_of(member)
        for statement in file.imports:
            if statement.kind == "top":
                meant = {plan.module_meant(file, statement.node, alias) for alias in statement.node.names}
                needs[member] |= meant & needs.keys() - {member}
    done: list[str] = []
    left = list(members)
    while left:
        ready = next((member for member in left if not needs[member] - set(done)), None)
        if ready is None:
            # An `__init__` that is dissolved imports what imports it for a name.
            ready = next((member for member in left if plan.file_of(member).is_package), left[0])
            note(f"{short(new)}: members import each other: {', '.join(map(short, left))}; {short(ready)} first")
        done.append(ready)
        left.remove(ready)
    return done


def meaning_of(plan: Plan, target: Target) -> Target:
    """Return what an import means in the merged package, so that two can be compared."""
    if target.kind != "name":
        return Target(target.kind, plan.new_of(target.module))
    if not target.of_package:
        return Target("ext", target.module, target.name)
    at = plan.origin(target.module, target.name)
    if at.kind == "mod":
        return Target("mod", plan.new_of(at.module))
    return Target("def", at.module, at.name)


def collision_free(module: str, name: str) -> str:
    """Return a name with its old module's before it, in the name's own case."""
    stem = module.rpartition(".")[2].strip("_")
    lead = "_" if name.startswith("_") else ""
    bare = name.lstrip("_")
    if bare.upper() == bare:
        return f"{lead}{stem.upper()}_{bare}"
    if bare[:1].isupper():
        return f"{lead}{stem.capitalize()}{bare}"
    return f"{lead}{stem}_{bare}"


def settle_names(plan: Plan, new: str) -> None:
    """Rename until each top-level name of a merged module has one meaning."""
    for _ in range(6):
        meanings = meanings_of(plan, new)
        wanted = [one for name, found in meanings.items() for one in to_rename(plan, new, name, found)]
        wanted += hidden_definitions(plan, new)
        if not wanted:
            return
        for one in dict.fromkeys(wanted):
            module, name = one.module, one.name
            final = collision_free(module, name)
            known = plan.renames.get((module, name))
            print(f'"{short(module)}.{name}" = "{known or final}"')
            if not plan.auto:
                error(f"{short(new)}: {short(module)}.{name} has a name that means something else there, too")
            if known == final:
                error(f"{short(new)}: {short(module)}.{name}: {final} is taken too")
            plan.renames[module, name] = known or final
        if not plan.auto:
            return


Meanings = dict[Target, list[Name]]
"""What a name means → the members that mean it, and what they call it."""


def meanings_of(plan: Plan, new: str) -> dict[str, Meanings]:
    """Return for each top-level name of a merged module what it means in its members."""
    found: dict[str, Meanings] = defaultdict(dict)
    for member in plan.members[new]:
        file = plan.file_of(member)
        for name in file.defs:
            if name != "__all__":
                meant = Target("def", member, name)
                found[plan.final(member, name)].setdefault(meant, []).append((member, name))
        for statement in file.imports:
            if statement.kind == "nested":
                continue
            for alias in statement.node.names:
                local = alias.asname or alias.name.split(".")[0]
                to = meaning_of(plan, plan.target(file, statement.node, alias))
                home = plan.new_of(to.module) if to.kind == "def" else to.module
                if home == new and to.kind in ("def", "mod"):
                    continue  # It is there without an import.
                name = plan.alias_renames.get((member, local), local)
                if to.kind == "def":
                    to = Target("def", plan.new_of(to.module), plan.final(to.module, to.name))
                elif to.kind == "mod":  # Its name follows the new module's.
                    name = to.module.rpartition(".")[2] if not alias.asname and to.of_package else local
                found[name].setdefault(to, []).append((member, local))
    return found


def to_rename(plan: Plan, new: str, name: str, found: Meanings) -> list[Target]:
    """Return the definitions that have to leave a name to others; also settle imports and doubles of that name."""
    members = plan.members[new]
    own = [one for one in found if one.kind == "def" and one.module in members]
    wanted = list(own) if name in BUILTINS and any(means_builtin(plan, member, name) for member in members) else []
    if len(found) < 2:
        return wanted
    imported = [one for one in found if one not in own]
    if imported:
        for one in imported[1:]:
            for member, local in found[one]:
                plan.alias_renames[member, local] = collision_free(one.module, local)
                note(f"{short(new)}: {short(member)} imports {local} as {plan.alias_renames[member, local]}")
        return wanted + own
    keep = max(own, key=lambda one: (plan.taken[one.module, one.name], -members.index(one.module)))
    order = order_of(plan, new)
    for one in own:
        if one == keep:
            continue
        if ast.dump(plan.file_of(one.module).defs[one.name]) == ast.dump(plan.file_of(keep.module).defs[keep.name]):
            later = max(one, keep, key=lambda each: order.index(each.module))
            plan.doubles.add((later.module, later.name))
        else:
            wanted.append(one)
    return wanted


def means_builtin(plan: Plan, member: str, name: str) -> bool:
    """Say whether a member means a builtin by a name."""
    file = plan.file_of(member)
    imported = {
        alias.asname or alias.name.split(".")[0] for statement in file.imports for alias in statement.node.names
    }
    return name in file.uses and name not in file.defs and name not in imported


def hidden_definitions(plan: Plan, new: str) -> list[Target]:
    """Return definitions that a member takes out of another one where a local name would hide them."""
    found = []
    for member in plan.members[new]:
        file = plan.file_of(member)
        for alias, module in plan.aliases(file).items():
            if plan.new_of(module) == new and alias in file.accesses:
                for access in file.accesses[alias]:
                    at = plan.origin(module, access.node.attr)
                    if at.kind == "name" and plan.final(at.module, at.name) in access.hidden:
                        found.append(Target("def", at.module, at.name))
    return found


# Editing


def with_edits(text: str, edits: list[Edit], start: int = 0, end: int | None = None) -> str:
    """Return a text, or a part of it, with the edits that lie in it."""
    end = len(text) if end is None else end
    parts: list[str] = []
    at, last = start, (start, start, "")
    for edit in sorted(set(edits)):
        first, after, new = edit
        if first < start or after > end:
            continue
        if first >= at:
            parts += [text[at:first], new]
            at, last = after, edit
        elif (first, after) != last[:2]:
            error(f"edits overlap: {text[first:after]!r} -> {new!r} after {last!r}")
        elif new != last[2]:
            error(f"two edits at one place: {text[first:after]!r} -> {new!r}, {last[2]!r}")
    return "".join([*parts, text[at:end]])


def rename_uses(file: Source, old: str, new: str) -> None:
    """Edit all places that mean a name of the module."""
    done: set[int] = set()
    word = rf"(?<![\w.]){re.escape(old)}\b"
    for node, kind in file.uses.get(old, ()):
        if id(node) in done:
            continue
        done.add(id(node))
        start, end = file.span(node)
        if kind == "name":
            assert file.text[start:end] == old, (file.path, file.text[start:end], old)
            file.edits.append((start, end, new))
        elif kind == "def":
            match = re.compile(rf"(?:def|class)\s+({re.escape(old)})\b").search(file.text, start)
            assert match, (file.path, old)
            file.edits.append((*match.span(1), new))
        elif kind == "fstring":
            replace_in_braces(file, start, end, rf"{word}(?!\s*=[^=])", new)
        else:
            for match in re.finditer(word, file.text[start:end]):
                file.edits.append((start + match.start(), start + match.end(), new))


def replace_in_braces(file: Source, start: int, end: int, pattern: str, new: str) -> None:
    """Edit what matches inside the braces of an f-string."""
    depth, at = 0, start
    inside = set()
    while at < end:
        if depth == 0 and file.text.startswith(("{{", "}}"), at):
            at += 2
            continue
        if file.text[at] == "{":
            depth += 1
        elif file.text[at] == "}":
            depth -= 1
        elif depth:
            inside.add(at)
        at += 1
    for match in re.finditer(pattern, file.text[start:end]):
        if start + match.start() in inside:
            file.edits.append((start + match.start(), start + match.end(), new))


def rename_imported(file: Source, statement: Import, old: str, new: str) -> None:
    """Edit what uses an import, in its function if it stands in one."""
    if not (statement.kind == "nested" and statement.owner):
        rename_uses(file, old, new)
        return
    for node in ast.walk(statement.owner):
        if isinstance(node, ast.Name) and node.id == old:
            start, end = file.span(node)
            if file.text[start:end] == old:
                file.edits.append((start, end, new))
            else:
                note(f"{file.path.relative_to(HOME)}:{node.lineno}: rename {old} to {new} in an f-string by hand")


def from_import(module: str, name: str, alias: str | None) -> str:
    """Return an import of one name."""
    return f"from {module} import {name}" + (f" as {alias}" if alias and alias != name else "")


class ImportEditor:
    """Edits the imports of a file, and what uses them.

    Attributes:
        rendered: of a file that is merged, the imports that its new module needs for it.
        checking: those of them that are for type checkers.
    """

    def __init__(self, plan: Plan, file: Source) -> None:
        self.plan, self.file = plan, file
        self.is_member = file.name in plan.destination
        self.new = plan.new_of(file.name)
        self.rendered: list[str] = []
        self.checking: list[str] = []
        self.imported_modules: list[Name] = []
        for statement in file.imports:
            self.edit_statement(statement)
        self.edit_patches()

    def edit_statement(self, statement: Import) -> None:
        """Edit an import; one at the top of a member only goes into what is rendered."""
        lines: list[str] = []
        changed = False
        for alias in statement.node.names:
            to = self.plan.target(self.file, statement.node, alias)
            if to.kind == "name" and to.of_package:
                to = self.plan.origin(to.module, to.name)
            if to.kind == "dotted":
                made = self.edit_dotted(statement, to.module)
            elif to.kind == "mod":
                made = self.edit_module(statement, alias, to.module)
            else:
                made = self.edit_name(statement, alias, to)
            lines += filter(None, [made[0]])
            changed |= made[1]
        if self.is_member and statement.kind != "nested":
            self.note_comments(statement)
            (self.rendered if statement.kind == "top" else self.checking).extend(lines)
        elif changed:
            self.replace_statement(statement, lines)

    def edit_dotted(self, statement: Import, module: str) -> tuple[str, bool]:
        """Return the new line for `import a.b`, and whether it differs."""
        new = self.plan.new_of(module)
        if new == self.new and self.is_member:
            error(f"{self.file.path}:{statement.node.lineno}: import {module} of a merged module, rewrite by hand")
        return f"import {new}", new != module

    def edit_module(self, statement: Import, alias: ast.alias, module: str) -> tuple[str, bool]:
        """Return the new line for a module that is imported under one name, if it needs one, and whether it differs."""
        plan, file, node = self.plan, self.file, statement.node
        local = alias.asname or alias.name
        if module not in plan.modules:
            if isinstance(node, ast.Import):
                return ast.unparse(ast.Import([alias])), False
            return from_import(file.absolute(node), alias.name, alias.asname), False
        new = plan.new_of(module)
        if new == self.new and self.is_member:
            self.dissolve(statement, local, module)
            return "", True
        parent, _, stem = new.rpartition(".")
        name = local
        if not alias.asname and stem != local and self.may_be_called(stem, new):
            name = stem
            rename_imported(file, statement, local, stem)
        for access in file.accesses.get(local, ()):
            self.rename_attribute(access, local, module)
        if statement.kind == "nested" and statement.owner:
            self.rename_attributes_inside(statement.owner, local, module)
        self.imported_modules.append((local, module))
        line = from_import(parent, stem, name) if parent else f"import {stem}"
        return line, (name, new) != (local, module)

    def may_be_called(self, stem: str, new: str) -> bool:
        """Say whether a file may call a new module by its own name."""
        file = self.file
        same = [module for alias, module in self.plan.aliases(file).items() if alias == stem]
        if stem in file.defs:
            return False
        return stem not in file.all_names or (bool(same) and all(self.plan.new_of(one) == new for one in same))

    def dissolve(self, statement: Import, local: str, module: str) -> None:
        """Take the module's name off what another member of the same new module has."""
        plan, file = self.plan, self.file
        for access in file.accesses.get(local, ()):
            attribute = access.node.attr
            at = plan.origin(module, attribute)
            name = plan.final(at.module, at.name) if at.kind == "name" else at.module.rpartition(".")[2]
            if name in access.hidden:
                error(f"{file.path}:{access.node.lineno}: {local}.{attribute} would be hidden by a local {name}")
            if access.fstring:
                replace_in_braces(file, *file.span(access.fstring), rf"(?<![\w.]){local}\.{attribute}\b", name)
            else:
                file.edits.append((*file.span(access.node), name))
        if len(file.uses.get(local, ())) > len(file.accesses.get(local, ())):
            error(f"{file.path}:{statement.node.lineno}: {local} is a merged module and used as a value")
        if statement.kind == "nested":
            for node in attributes_of(statement.owner or file.tree, local):
                file.edits.append((*file.span(node), plan.final(module, node.attr)))

    def rename_attribute(self, access: Access, local: str, module: str) -> None:
        """Edit a module's attribute that is called otherwise now."""
        attribute = access.node.attr
        final = self.plan.name_of_attribute(module, attribute)
        if final == attribute:
            return
        if access.fstring:
            span = self.file.span(access.fstring)
            replace_in_braces(self.file, *span, rf"(?<=\b{local}\.){attribute}\b", final)
        else:
            end = self.file.span(access.node)[1]
            self.file.edits.append((end - len(attribute), end, final))

    def rename_attributes_inside(self, function: ast.AST, local: str, module: str) -> None:
        """Edit the attributes of a module that a function imports for itself."""
        file = self.file
        for node in attributes_of(function, local):
            final = self.plan.name_of_attribute(module, node.attr)
            end = file.span(node)[1]
            if final == node.attr:
                continue
            if file.text[end - len(node.attr) : end] == node.attr:
                file.edits.append((end - len(node.attr), end, final))
            else:
                where = f"{file.path.relative_to(HOME)}:{node.lineno}"
                note(f"{where}: rename {local}.{node.attr} to {final} by hand")

    def edit_name(self, statement: Import, alias: ast.alias, to: Target) -> tuple[str, bool]:
        """Return the new line for a name that is imported, if it needs one, and whether it differs."""
        plan, file = self.plan, self.file
        local = alias.asname or alias.name
        source = file.absolute(statement.node) if isinstance(statement.node, ast.ImportFrom) else ""
        renamed = plan.alias_renames.get((file.name, local)) if self.is_member and statement.kind != "nested" else None
        if not to.of_package:
            if renamed:
                rename_uses(file, local, renamed)
            return from_import(source, to.name, renamed or local), bool(renamed)
        new, final = plan.new_of(to.module), plan.final(to.module, to.name)
        if new == self.new and self.is_member:
            if final != local:
                rename_imported(file, statement, local, final)
            return "", True
        called = local
        if renamed:
            called = renamed
            rename_uses(file, local, renamed)
        elif final != to.name and not alias.asname and final not in file.all_names and final not in file.defs:
            called = final
            rename_imported(file, statement, local, final)
        changed = (to.module, to.name) != (new, final) or to.module != source or called != local
        return from_import(new, final, called), changed

    def note_comments(self, statement: Import) -> None:
        """Tell of comments at an import, which get lost."""
        start, end = self.file.span(statement.node)
        after = self.file.starts[statement.node.end_lineno or 0]
        for text in (self.file.text[end:after], self.file.text[start:end]):
            if "#" in text:
                where = f"{self.file.path.relative_to(HOME)}:{statement.node.lineno}"
                note(f"{where}: comment beside an import: {text.strip()[:100]}")

    def replace_statement(self, statement: Import, lines: list[str]) -> None:
        """Put lines in place of an import, those of one module together."""
        file, node = self.file, statement.node
        if not lines:
            alone = len(statement.body) == 1
            file.edits.append((*file.span(node), "pass") if alone else (*file.whole_lines(node), ""))
            return
        grouped: dict[str, list[str]] = defaultdict(list)
        made = []
        for line in dict.fromkeys(lines):
            match = re.fullmatch(r"from (\S+) import (.+)", line)
            if match:
                grouped[match[1]].append(match[2])
            else:
                made.append(line)
        made += [f"from {module} import {', '.join(names)}" for module, names in grouped.items()]
        indent = " " * node.col_offset
        file.edits.append((*file.span(node), f"\n{indent}".join(made)))

    def edit_patches(self) -> None:
        """Edit the strings in `monkeypatch.setattr(module, "name", ...)` and the like."""
        for node in ast.walk(self.file.tree):
            if not (isinstance(node, ast.Call) and len(node.args) > 1):
                continue
            module_, name = node.args[:2]
            if not (isinstance(module_, ast.Name) and isinstance(name, ast.Constant) and isinstance(name.value, str)):
                continue
            for local, module in self.imported_modules:
                if module_.id == local:
                    final = self.plan.name_of_attribute(module, name.value)
                    if final != name.value:
                        self.file.edits.append((*self.file.span(name), f'"{final}"'))


def attributes_of(tree: ast.AST, name: str) -> Iterator[ast.Attribute]:
    """Yield the attributes of a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
            yield node


def edit_dotted_names(plan: Plan, file: Source) -> None:
    """Edit the dotted names in strings, comments and code that is no import."""
    spans = [file.span(statement.node) for statement in file.imports]
    for edit in dotted_edits(plan, file.text):
        if not any(start <= edit[0] < end for start, end in spans):
            file.edits.append(edit)


def dotted_edits(plan: Plan, text: str) -> Iterator[Edit]:
    """Yield the edits of names like serlab.a.b.c and of paths like serlab/a/b.py."""
    for match in DOTTED.finditer(text):
        new = dotted_name(plan, match[0])
        if new != match[0]:
            yield *match.span(), new
    for match in SLASHED.finditer(text):
        name = full(match[1].replace("/", ".")).removesuffix(".__init__")
        if plan.new_of(name) != name:
            yield *match.span(), str(plan.path_of(plan.new_of(name)).relative_to(HOME))


def dotted_name(plan: Plan, name: str) -> str:
    """Return what a dotted name is called after the move."""
    parts = name.split(".")
    for end in range(len(parts), 1, -1):
        module, rest = ".".join(parts[:end]), parts[end:]
        if module in plan.destination:
            new = plan.destination[module]
            if rest and plan.modules[module]:
                at = plan.origin(module, rest[0])
                if at.kind == "name" and at.module in plan.destination:
                    new, rest = plan.new_of(at.module), [plan.final(at.module, at.name), *rest[1:]]
            return ".".join([new, *rest])
        if module in plan.modules:
            break
    return name


# Writing


class Part(NamedTuple):
    """A member's share of its new module: docstring, the rest without imports, and what runs it as a program."""

    docstring: ast.Expr | None
    text: str
    main: str


def docstring_of(tree: ast.Module) -> ast.Expr | None:
    """Return the statement that is a module's docstring."""
    first = tree.body[0] if tree.body else None
    return first if isinstance(first, ast.Expr) and ast.get_docstring(tree) is not None else None


def part_of(plan: Plan, file: Source) -> Part:
    """Cut a member, edited, into what its new module is put together of."""
    docstring = docstring_of(file.tree)
    cut = [file.whole_lines(docstring)] if docstring else []
    for statement in file.imports:
        if statement.kind == "top":
            cut.append(file.whole_lines(statement.node))
        elif statement.kind == "checking" and file.whole_lines(statement.owner) not in cut:
            if not all(isinstance(node, ast.Import | ast.ImportFrom) for node in statement.owner.body):
                error(f"{file.path}: more than imports for type checkers")
            cut.append(file.whole_lines(statement.owner))
    main = ""
    for node in file.tree.body:
        if isinstance(node, ast.Assign) and any(getattr(each, "id", "") == "__all__" for each in node.targets):
            cut.append(file.whole_lines(node))
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            main = with_edits(file.text, file.edits, *file.whole_lines(node))
            cut.append(file.whole_lines(node))
    for module, name in plan.doubles:
        if module == file.name:
            cut.append(lines_of_definition(file, name))
            note(f"{short(module)}.{name}: the same stands twice, one is dropped")
    kept = [edit for edit in file.edits if not any(start <= edit[0] < end for start, end in cut)]
    text = with_edits(file.text, [*kept, *((start, end, "") for start, end in cut)])
    return Part(docstring, text.strip("\n"), main)


def lines_of_definition(file: Source, name: str) -> tuple[int, int]:
    """Return start and end of a definition with its decorators and the string that describes it."""
    node = file.defs[name]
    at = file.tree.body.index(node)
    first = min([node.lineno, *[decorator.lineno for decorator in getattr(node, "decorator_list", [])]])
    last = node.end_lineno
    after = file.tree.body[at + 1] if at + 1 < len(file.tree.body) else None
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
        last = after.end_lineno
    return file.starts[first - 1], file.starts[last]


def as_comment(plan: Plan, docstring: ast.Expr | None) -> str:
    """Return a docstring as lines of comment."""
    if docstring is None:
        return ""
    text = inspect.cleandoc(docstring.value.value)  # type: ignore[attr-defined]
    text = with_edits(text, list(dotted_edits(plan, text)))
    blocks = []
    for block in re.split(r"\n\s*\n", text):
        if any(len(line) > 117 for line in block.splitlines()):
            block = textwrap.fill(block, 117, break_long_words=False, break_on_hyphens=False)
        blocks.append("\n".join(f"# {line}".rstrip() for line in block.splitlines()))
    return "\n#\n".join(blocks)


def merged(plan: Plan, new: str, imports: dict[str, ImportEditor]) -> str:
    """Return the text of a new module."""
    head, parts, mains = "", [], []
    tops: list[str] = []
    checking: list[str] = []
    for member in order_of(plan, new):
        file = plan.file_of(member)
        part = part_of(plan, file)
        if member != plan.members[new][0]:
            parts.append("\n\n".join(filter(None, [as_comment(plan, part.docstring), part.text])))
        elif part.docstring:
            head = with_edits(file.text, file.edits, *file.span(part.docstring))
            parts.append(part.text)
        else:
            error(f"{short(member)} has no docstring for {short(new)}")
        mains.append(part.main)
        tops += imports[member].rendered
        checking += imports[member].checking
    here = set(names_imported(tops))
    checking = [line for line in sorted(set(checking)) if not here.issuperset(names_imported([line]))]
    guarded = "if TYPE_CHECKING:\n" + "\n".join(f"    {line}" for line in checking) if checking else ""
    blocks = [head, "\n".join(sorted(set(tops))), guarded, *parts, *mains]
    return "\n\n\n".join(filter(str.strip, blocks)).rstrip() + "\n"


def names_imported(lines: Iterable[str]) -> Iterator[str]:
    """Yield the names that lines of imports bind."""
    for line in lines:
        for item in re.sub(r"^(from \S+ )?import ", "", line).split(", "):
            yield item.rpartition(" ")[2]


# What a person has to look at


def reachable(ahead: dict[str, set[str]], start: str) -> set[str]:
    """Return all that can be reached from a node of a graph."""
    seen: set[str] = set()
    wait = list(ahead.get(start, ()))
    while wait:
        if (other := wait.pop()) not in seen:
            seen.add(other)
            wait += ahead.get(other, ())
    return seen


def check_circles(plan: Plan) -> None:
    """Refuse new modules that import each other while they load, and print what they import."""
    reasons: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, file in plan.modules.items():
        for statement in file.imports if file else ():
            if file and statement.kind == "top":
                for alias in statement.node.names:
                    at = plan.module_meant(file, statement.node, alias)
                    if at in plan.modules and plan.new_of(at) != plan.new_of(name):
                        why = f"{short(name)} takes {alias.name} of {short(at)}"
                        reasons[plan.new_of(name), plan.new_of(at)].add(why)
    ahead: dict[str, set[str]] = defaultdict(set)
    for one, other in reasons:
        ahead[one].add(other)
    reach = {name: reachable(ahead, name) for name in plan.results}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other]) for name in reach if name in reach[name]
    }
    for group in groups:
        error("circle: " + " ".join(sorted(map(short, group))))
        for one in sorted(group):
            for other in sorted(ahead[one] & group):
                print(f"    {short(one)} -> {short(other)}: {'; '.join(sorted(reasons[one, other])[:6])}")


def note_places(plan: Plan) -> None:
    """Tell of lines that mean the module that they stand in."""
    for new, members in plan.members.items():
        for member in members:
            file = plan.file_of(member)
            for word in OF_A_MODULE:
                for number, line in enumerate(file.lines, 1):
                    if re.search(rf"(?<![\w.]){re.escape(word)}", line) and "import " not in line:
                        where = f"{file.path.relative_to(HOME)}:{number} ({word})"
                        note(f"look at {where} -> {short(new)}: {line.strip()[:90]}")


def note_libraries(plan: Plan) -> None:
    """Tell of modules that would load, with all that they import, libraries that they do without today."""
    today: dict[str, set[str]] = {}
    after: dict[str, set[str]] = defaultdict(set)
    for name, file in plan.modules.items():
        today[name] = {name.rpartition(".")[0], *(imported_modules(plan, file) if file else ())}
        new = plan.new_of(name)
        after[new] |= {new.rpartition(".")[0], *map(plan.new_of, today[name])} - {new}
    for new in sorted(plan.results):
        loads = reachable(after, new) & LIBRARIES
        gained_by: dict[str, list[str]] = defaultdict(list)
        for name in plan.members.get(new, [new]):
            if gain := loads - reachable(today, name):
                gained_by[", ".join(sorted(gain))].append(short(name))
        for libraries, names in gained_by.items():
            which = f", for {', '.join(names)}" if new in plan.members else ""
            note(f"now loads {libraries}: {short(new)}{which}")


def imported_modules(plan: Plan, file: Source) -> Iterator[str]:
    """Yield the modules and libraries that a file imports at its top."""
    for statement in file.imports:
        if statement.kind == "top":
            for alias in statement.node.names:
                to = plan.target(file, statement.node, alias)
                yield to.module if to.of_package else to.module.split(".")[0]
                if to.kind == "mod":
                    yield to.module.rpartition(".")[0]


# The whole


def edit_sources(plan: Plan) -> dict[Path, str]:
    """Return the new text of each Python file that is merged or changes."""
    imports = {}
    for file in plan.sources:
        edit_dotted_names(plan, file)
        imports[file.name] = ImportEditor(plan, file)
        for (module, name), final in plan.renames.items():
            if module == file.name and module in plan.destination:
                if isinstance(file.defs.get(name), ast.ClassDef):
                    note(f"class renamed: {short(module)}.{name} -> {final}")
                rename_uses(file, name, final)
    texts = {plan.path_of(new): merged(plan, new, imports) for new in plan.members}
    others = [file for file in plan.sources if file.name not in plan.destination and file.edits]
    return texts | {file.path: file.edited() for file in others}


def edit_texts(plan: Plan) -> dict[Path, str]:
    """Return the new text of each other file that changes."""
    changed = {}
    for path in tracked_files():
        if path.is_relative_to(SELF) or (path.suffix not in TEXTS and path.name != "Makefile"):
            continue
        text = path.read_text(encoding="utf-8")
        made = with_edits(text, list(dotted_edits(plan, text)))
        if made != text:
            changed[path] = made
        for match in re.finditer(rf"from ({PACKAGE}[\w.]*) import ([\w, ]+)", text):
            for name in map(str.strip, match[2].split(",")):
                if f"{match[1]}.{name}" in plan.destination or (match[1], name) in plan.renames:
                    note(f"{path.relative_to(HOME)}: by hand: {match[0]}")
    return changed


def tracked_files() -> list[Path]:
    """Return the files that git knows, without links."""
    done = subprocess.run(["git", "ls-files"], cwd=HOME, capture_output=True, text=True, check=True)
    paths = [HOME / name for name in done.stdout.splitlines()]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def replace_texts(texts: dict[Path, str], replacements: list[dict[str, Any]]) -> None:
    """Replace what the maps say, in the texts that are to be written; one that does not match is left out."""
    for one in replacements:
        path = HOME / one["file"]
        text = texts.get(path) or (path.read_text(encoding="utf-8") if path.exists() else "")
        if text.count(one["old"]) == one.get("count", 1):
            texts[path] = text.replace(one["old"], one["new"])
        else:
            note(f"replace by hand in {one['file']}: {one['old']!r} stands {text.count(one['old'])} times")


def write(plan: Plan, texts: dict[Path, str]) -> None:
    """Move and remove files with git, write the texts, and remove the folders that are left empty."""
    for new, members in plan.members.items():
        path = plan.path_of(new)
        olds = [plan.file_of(member).path for member in members]
        path.parent.mkdir(parents=True, exist_ok=True)
        if path not in olds:
            subprocess.run(["git", "mv", "-f", olds[0], path], cwd=HOME, check=True)
        for old in olds:
            if old != path and old.exists():
                subprocess.run(["git", "rm", "-q", "-f", old], cwd=HOME, check=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], encoding="utf-8")
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    for folder in sorted((HOME / PACKAGE).rglob("*"), reverse=True):
        if folder.is_dir() and folder.name != "__pycache__" and all(p.name == "__pycache__" for p in folder.iterdir()):
            shutil.rmtree(folder)


def move(maps: Maps, mode: Literal["suggest", "dry", "write"]) -> NoReturn:
    """Merge the package by maps, or say what would be done."""
    plan = Plan(maps)
    check_circles(plan)
    for new in plan.members:
        settle_names(plan, new)
    note_places(plan)
    note_libraries(plan)
    if ERRORS or mode == "suggest":
        finish(1 if ERRORS else 0)
    texts = edit_sources(plan) | edit_texts(plan)
    replace_texts(texts, maps.replacements)
    if ERRORS:
        finish(1)
    for new in plan.members:
        print(f"{len(texts[plan.path_of(new)].splitlines()):6} {short(new)}")
    if mode == "write":
        write(plan, texts)
    print(f"{len(plan.members)} modules made of others, {len(texts) - len(plan.members)} other files changed")
    finish(0)


def import_all() -> int:
    """Import every module of the package, one after another; print those that fail and return how many."""
    sys.path.insert(0, str(HOME))
    package = import_module(PACKAGE)
    names = [module.name for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")]
    names = [name for name in names if "generated" not in name and "__main__" not in name]
    failed = 0
    for name in names:
        try:
            import_module(name)
        except (Exception, SystemExit) as problem:
            failed += 1
            print(name, type(problem).__name__, str(problem)[:300])
    print(f"{len(names)} modules, {failed} fail")
    return failed


def main() -> None:
    """Read the arguments and do what they say."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.house.move", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("maps", nargs="*", type=Path, metavar="MAPS")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    parser.add_argument("--suggest", action="store_true", help="print the renames that are needed, and stop")
    parser.add_argument("--imports", action="store_true", help="import each module of the package, and nothing else")
    given = parser.parse_args()
    if given.imports:
        sys.exit(1 if import_all() else 0)
    if not given.maps:
        parser.error("expected maps")
    move(read_maps(given.maps), "suggest" if given.suggest else "dry" if given.dry else "write")


if __name__ == "__main__":
    main()
