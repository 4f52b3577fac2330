"""What differs between the record and now, through the mapping of names, without what is wanted."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from scripts.oracle.store import Item, Record, digest

NAMES, WANTED = Path(__file__).with_name("names.toml"), Path(__file__).with_name("wanted.toml")
SHOWN = 400
"""Characters of a line that are printed."""
GONE = Item(())


@dataclass(frozen=True)
class Difference:
    """Lines that stand in the record and not here, or here and not there.

    Attributes:
        kind: of the record.
        name: under which they stand.
        was: the recorded lines, or their digests.
        now: the lines of now.
    """

    kind: str
    name: str
    was: tuple[str, ...]
    now: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return what `wanted.toml` calls exactly this difference by."""
        said = "\n".join([*(f"-{line}" for line in self.was), *(f"+{line}" for line in self.now)])
        return f"{self.kind}: {self.name}: {digest(said)}"

    def __str__(self) -> str:
        """Show the lines, as a diff does."""
        lines = [*(f"  - {line:.{SHOWN}}" for line in self.was), *(f"  + {line:.{SHOWN}}" for line in self.now)]
        return "\n".join([self.key, *lines])


class Names:
    """The mapping of names: each old one has one new one, and each new one stands for one old one.

    A name counts where it stands by itself: no letter, digit, `_` or `-` before or after it.

    Args:
        pairs: old name → new name.

    Raises:
        ValueError: a new name stands for two, or a name is mapped to itself.
    """

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self.old = {new: old for old, new in pairs.items()}
        if len(self.old) != len(pairs):
            raise ValueError("names: two old names have the same new one; expected one to one")
        if same := [old for old, new in pairs.items() if old == new]:
            raise ValueError(f"names: {same[0]!r} is mapped to itself; leave it out")
        self.unused = set(self.old)
        any_of = "|".join(re.escape(new) for new in sorted(self.old, key=len, reverse=True))
        self.found = re.compile(rf"(?<![\w-])(?:{any_of})(?![\w-])") if pairs else None

    def recorded(self, line: str) -> str:
        """Return a line of now with the old names in place of the new ones."""
        return self.found.sub(self.replaced, line) if self.found else line

    def replaced(self, match: re.Match[str]) -> str:
        """Return the old name of the new one that was found."""
        self.unused.discard(match[0])
        return self.old[match[0]]


def read_names(path: Path = NAMES) -> Names:
    """Read the mapping of names."""
    return Names(tomllib.loads(path.read_text(encoding="utf-8")))


def read_wanted(path: Path = WANTED) -> dict[str, str]:
    """Read the wanted differences: the key of each → its reason.

    Raises:
        ValueError: one has no reason, or stands twice.
    """
    found: dict[str, str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("wanted", []):
        for key in entry["differences"]:
            if not entry.get("reason", "").strip() or key in found:
                raise ValueError(f"{path.name}: {key}: expected one reason")
            found[key] = entry["reason"]
    return found


def differences(kind: str, was: Record, now: Record, names: Names, is_sorted: bool = False) -> Iterator[Difference]:
    """Compare a record with what was made now.

    Args:
        kind: its name.
        was: the record as it was read.
        now: what was made; with whole lines.
        names: the mapping, applied to names of items and to lines.
        is_sorted: whether lines are a set, whose order follows their names.
    """
    renamed = {names.recorded(name): item for name, item in now.items()}
    for name in sorted({*was, *renamed}):
        old, new = was.get(name, GONE), renamed.get(name, GONE)
        lines = [names.recorded(line) for line in new.lines]
        if is_sorted:
            old, lines = Item(tuple(sorted(old.lines))), sorted(lines)
        yield from hunks(kind, name, old, lines)
        if name not in was or name not in renamed:
            # A name without a line differs, too.
            here = ("(there is none)",), ("(there is one)",)
            yield Difference(kind, name, *(here if name not in was else here[::-1]))


def hunks(kind: str, name: str, old: Item, lines: list[str]) -> Iterator[Difference]:
    """Compare the lines of an item."""
    seen = [digest(line) for line in lines] if old.is_digest else lines
    if list(old.lines) == seen:
        return
    for change, start, end, start_now, end_now in SequenceMatcher(None, old.lines, seen, autojunk=False).get_opcodes():
        if change != "equal":
            yield Difference(kind, name, old.lines[start:end], tuple(lines[start_now:end_now]))


def judge(
    found: Iterable[Difference], wanted: Mapping[str, str], kinds: Iterable[str]
) -> tuple[list[Difference], list[str]]:
    """Part what is not wanted from what is.

    Args:
        found: the differences of some kinds.
        wanted: key → reason.
        kinds: those kinds; of others nothing is expected.

    Returns:
        The differences that nobody wants, and the keys of wanted ones that did not occur.
    """
    found = list(found)
    made = {difference.key for difference in found}
    missing = [key for key in wanted if key.partition(":")[0] in set(kinds) and key not in made]
    return [difference for difference in found if difference.key not in wanted], missing
