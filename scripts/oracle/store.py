"""The files of a record: names, and under each its lines, or only the lines' digests where there are very many."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"
DIGITS = 6
"""Of a line's digest: that a changed line keeps its own has odds of one in 16 million."""
TEXT, DIGESTS, LINE = "= ", "# ", "|"


@dataclass(frozen=True)
class Item:
    """What stands under a name.

    Attributes:
        lines: its text; of a recorded one with `is_digest`, the digests of the lines.
        is_digest: whether only digests are kept, as the same figures stand elsewhere in full.
    """

    lines: tuple[str, ...]
    is_digest: bool = False


Record = dict[str, Item]


def full(text: str) -> Item:
    """Return an item of which all is kept."""
    return Item(tuple(text.removesuffix("\n").split("\n")))


def bulky(lines: Iterable[str]) -> Item:
    """Return an item of which digests are kept."""
    return Item(tuple(lines), is_digest=True)


def digest(line: str) -> str:
    """Return what is kept of a line of a bulky item."""
    return hashlib.sha256(line.encode("utf-8", "backslashreplace")).hexdigest()[:DIGITS]


def dump(record: Mapping[str, Item]) -> str:
    """Write a record as text, its names in order."""
    found: list[str] = []
    for name, item in sorted(record.items()):
        found.append(f"{DIGESTS if item.is_digest else TEXT}{name}")
        found += [f"{LINE}{digest(line) if item.is_digest else line}" for line in item.lines]
    return "\n".join(found) + "\n"


def parse(text: str) -> Record:
    """Read a record back; of bulky items the lines are digests.

    Raises:
        ValueError: a line is no part of a record, or a name stands twice.
    """
    found: dict[str, tuple[bool, list[str]]] = {}
    lines: list[str] = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        if line.startswith(LINE):
            lines.append(line.removeprefix(LINE))
        elif line.startswith((TEXT, DIGESTS)) and line[len(TEXT) :] not in found:
            lines = []
            found[line[len(TEXT) :]] = (line.startswith(DIGESTS), lines)
        else:
            raise ValueError(f"line {number}: expected a new name or a line beginning with {LINE!r}, got {line[:60]!r}")
    return {name: Item(tuple(lines), is_digest) for name, (is_digest, lines) in found.items()}


def write(kind: str, record: Mapping[str, Item], folder: Path = RECORDED) -> Path:
    """Write the record of a kind and return its file."""
    path = folder / f"{kind}.txt"
    path.write_text(dump(record), encoding="utf-8", newline="\n")
    return path


def read(kind: str, folder: Path = RECORDED) -> Record:
    """Read the record of a kind.

    Raises:
        FileNotFoundError: there is none.
    """
    return parse((folder / f"{kind}.txt").read_bytes().decode("utf-8"))
