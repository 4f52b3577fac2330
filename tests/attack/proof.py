"""Prove the search on itself: with one repair taken back and its seeds left out, it finds the fault again.

    python -m tests.attack.proof [--seconds 600] [NAME…]

For each repair the tree is cloned into a scratch folder, the repair is taken back there by an edit of the source, and a
search runs without the seeds of its kind, until it finds a message that is too dear there and far from it with the
repair. An edit whose text is no longer in the source is an error: the repair has moved, and the proof with it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from tests.conftest import ROOT

FAR = 1.5
"""A find takes so many times what it takes with the repair, or it is another fault that both trees have."""


class Edit(NamedTuple):
    """A piece of source, and what stood there before the repair."""

    file: str
    new: str
    old: str


class Repair(NamedTuple):
    """What was repaired.

    Attributes:
        codecs: in which the search looks.
        left_out: the kinds of seeds that would give it away.
        edits: what takes it back.
    """

    codecs: tuple[str, ...]
    left_out: tuple[str, ...]
    edits: tuple[Edit, ...]


GUARD, SCANS, DOCUMENTS = "serlab/codecs/limits.py", "serlab/codecs/scans.py", "serlab/messages/documents.py"

REPAIRS: dict[str, Repair] = {
    "keys": Repair(
        ("msgspec-msgpack",),
        ("colliding keys",),
        (Edit(GUARD, "            check_array_keys(data)\n", '            return ""\n'),),
    ),
    "numbers for objects": Repair(
        ("orjson", "msgpack"),
        ("numbers for objects",),
        (Edit(DOCUMENTS, "MANY = 64", "MANY = 2**63"), Edit(DOCUMENTS, "PIECES = 2048", "PIECES = 2**63")),
    ),
    "scalars": Repair(
        ("msgpack",),
        ("scalars", "vectors"),
        (
            Edit(SCANS, "[NUMBER if head in WIDE or head >= 0xE0 else 0 for", "[0 for"),
            Edit(SCANS, "grown.array + elements * PLACE + ", "grown.array + "),
            Edit(SCANS, "counted + wide * NUMBER, after", "counted, after"),
        ),
    ),
    "JSON texts": Repair(
        ("protobuf",),
        ("JSON texts",),
        (
            # Each is still held to the limits of its own, as it was before they counted together.
            Edit(
                "serlab/codecs/protobuf_scan.py",
                "items, size = items - found.items, size - weight - found.size",
                "size -= weight",
            ),
        ),
    ),
}


def clone(folder: Path, edits: tuple[Edit, ...]) -> Path:
    """Copy the tree as it is committed, and take a repair back in it."""
    tree = folder / "tree"
    subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), str(tree)], check=True)
    for edit in edits:
        path = tree / edit.file
        text = path.read_text()
        if text.count(edit.new) != 1:
            raise SystemExit(f"{edit.file}: expected once, got {text.count(edit.new)} times: {edit.new!r}")
        path.write_text(text.replace(edit.new, edit.old))
    return tree


def prove(name: str, seconds: float, seed: int) -> bool:
    """Return whether the search finds, within the time, a message too dear without the repair and not with it."""
    repair, end = REPAIRS[name], monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        tree, finds = clone(Path(folder), repair.edits), Path(folder) / "finds"
        while (left := end - monotonic()) > 1:
            options = ["--seconds", str(left), "--seed", str(seed), "--first", "--folder", str(finds)]
            options += [part for codec in repair.codecs for part in ("--codec", codec)]
            options += [part for kind in repair.left_out for part in ("--leave-out", kind)]
            said = attack(tree, options).stdout.splitlines()
            print(f"== {name}", *(line for line in said if line.startswith("found") or " trials in " in line), sep="\n")
            for path in finds.glob("*.json"):
                again = attack(ROOT, ["--replay", str(path)])
                print(f"repaired: {again.stdout.strip()}", path.read_text(), sep="\n", flush=True)
                part = float(again.stdout.split()[-4])
                if part * FAR < json.loads(path.read_text())["score"]:
                    print(f"proven in {seconds - end + monotonic():.0f} s", flush=True)
                    return True
                path.unlink()
            seed += 1
    return False


def attack(tree: Path, options: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run the search, or a part of it, with the source of a tree."""
    command = [sys.executable, "-m", "tests.attack", *options]
    return subprocess.run(
        command, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, stdout=subprocess.PIPE, text=True
    )


def main() -> int:
    """Prove what is asked for, or everything."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack.proof", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *REPAIRS], help="default: all")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    proven = [prove(name, given.seconds, given.seed) for name in given.names or REPAIRS]
    return 0 if all(proven) else 1


if __name__ == "__main__":
    sys.exit(main())
