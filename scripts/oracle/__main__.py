"""`python -m scripts.oracle record | check [--only KIND,…]`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from scripts.oracle import __doc__ as about
from scripts.oracle import answers, commands, rows, store
from scripts.oracle.differences import Difference, Names, differences, judge, read_names, read_wanted

MAKERS: dict[str, Callable[[Path], store.Record]] = {
    "commands": commands.make,
    "answers": answers.make,
    "compare": partial(rows.make, "compare"),
    "wire": partial(rows.make, "wire"),
}
SORTED = {"compare", "wire"}
"""The kinds whose lines are a set."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, or check; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.oracle", description=(about or "").partition(":")[0])
    parser.add_argument("action", choices=["record", "check"])
    parser.add_argument("--only", type=kinds_of, default=list(MAKERS), metavar="KIND,…", help=", ".join(MAKERS))
    given = parser.parse_args(arguments)
    if given.action == "record":
        for kind in given.only:
            path = store.write(kind, made(kind))
            print(f"{kind}: {path}, {path.stat().st_size:,} bytes", flush=True)
        return 0
    return check(given.only)


def kinds_of(given: str) -> list[str]:
    """Read the option that names kinds."""
    kinds = given.split(",")
    if unknown := [kind for kind in kinds if kind not in MAKERS]:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(MAKERS)}, got {unknown[0]!r}")
    return kinds


def made(kind: str) -> store.Record:
    """Make what a kind records, in a scratch folder."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        record = MAKERS[kind](Path(folder).resolve())
    lines = sum(len(item.lines) for item in record.values())
    print(f"{kind}: {len(record)} names, {lines:,} lines, {time.monotonic() - begun:.0f} s", flush=True)
    return record


def check(kinds: Sequence[str]) -> int:
    """Make everything again, print what differs, and return the exit status."""
    names, wanted = read_names(), read_wanted()
    found = [one for kind in kinds for one in differences(kind, store.read(kind), made(kind), names, kind in SORTED)]
    return report(found, wanted, kinds, names)


def report(found: Sequence[Difference], wanted: dict[str, str], kinds: Sequence[str], names: Names) -> int:
    """Print what differs and is not wanted, what is wanted and does not differ, and names that were not met."""
    unwanted, missing = judge(found, wanted, kinds)
    for difference in unwanted:
        print(difference)
    for key in missing:
        print(f"wanted, but it did not occur: {key}\n    {wanted[key]}")
    unused = sorted(names.unused) if set(kinds) == set(MAKERS) else []
    for name in unused:
        print(f"in names.toml, but nowhere met: {name}")
    count = {kind: sum(one.kind == kind for one in unwanted) for kind in kinds}
    print(", ".join(f"{kind}: {number} differences" for kind, number in count.items()))
    return 1 if unwanted or missing or unused else 0


if __name__ == "__main__":
    sys.exit(main())
