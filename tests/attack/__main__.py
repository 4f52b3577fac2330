"""Search for the dearest messages, and say what was found: exit status 0 for nothing, 1 for a find."""

import argparse
import json
import os
import sys
from hashlib import sha256
from pathlib import Path
from random import Random
from time import monotonic

from tests.attack.entrances import ENTRANCES, FORMS, RENDERS, USUAL, form_of
from tests.attack.finds import Find
from tests.attack.recipe import plain, scaled
from tests.attack.search import CLASSES, Search
from tests.attack.seeds import KINDS
from tests.attack.trial import MIB, Trial, may_hold, may_take_s, score, warm
from tests.conftest import ROOT

FOLDER = ROOT / "attack-finds"
BEGIN, END = "<!-- worst: begin -->", "<!-- worst: end -->"


def main() -> int:
    """Parse the command line and search, or make a find again."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)), help="the same changes again")
    parser.add_argument("--workers", type=int, default=1, help="trials at a time; each is slower beside others")
    parser.add_argument(
        "--codec", action="append", default=[], choices=FORMS, metavar="NAME", help="repeat; default: 7"
    )
    parser.add_argument("--leave-out", action="append", default=[], choices=KINDS, metavar="KIND", help="seeds; repeat")
    parser.add_argument("--first", action="store_true", help="end at the first find")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where finds are kept")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table of the worst into this page")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="make one find again and measure it")
    parser.add_argument("--write", type=Path, metavar="FILE", help="with --replay: write the message's bytes")
    given = parser.parse_args()
    if given.replay:
        return replay(given.replay, given.write)
    start = monotonic()

    def say(find: Find) -> None:
        name = keep(given.folder, find)
        print(f"found after {monotonic() - start:.0f} s: {text_of(find)} {name}", flush=True)

    search = Search(given.codec or list(USUAL), Random(given.seed), given.workers, frozenset(given.leave_out), say=say)
    print(f"searching for {given.seconds:.0f} s from seed {given.seed}", flush=True)
    search.run(given.seconds, first=given.first)
    table = "\n".join(rows(search))
    print(table)
    print(
        f"{search.trials:,} trials in {used_s():.0f} s of the processor, {len(search.finds)} finds"
        + (f", in {given.folder}" if search.finds else "")
    )
    if given.markdown:
        told = (
            f"{search.trials:,} trials, {given.seconds:.0f} s, seed {given.seed}; in brackets the part of the budget."
        )
        write_table(given.markdown, f"{told}\n\n{table}\n")
    return 1 if search.finds or not search.trials else 0


def used_s() -> float:
    """Return the processor seconds of this process and its trials."""
    return sum(os.times()[:4])


def text_of(find: Find) -> str:
    """Write a find in one line."""
    cost = find.cost
    head = f"{find.codec} {find.entrance} {find.kind}: {cost.outcome}, {cost.length:,} bytes"
    return f"{head}, {cost.cpu_s:.2f} s, {cost.memory / MIB:.0f} MiB, {find.score:.2f} of its budget"


def keep(folder: Path, find: Find) -> str:
    """Write a find down: how to make it, and what it took."""
    folder.mkdir(parents=True, exist_ok=True)
    body = find._asdict() | {"cost": find.cost._asdict()}
    name = sha256(json.dumps(find.node).encode()).hexdigest()[:8]
    path = folder / f"{find.codec}.{find.kind}.{find.entrance}.{name}.json"
    path.write_text(json.dumps(body))
    return str(path)


def replay(path: Path, written: Path | None) -> int:
    """Make a find again."""
    body = json.loads(path.read_text())
    codec, node, size = body["codec"], plain(body["node"]), body["size"]
    if written:
        written.write_bytes(scaled(node, RENDERS[form_of(codec)], size).make())
    warm(codec)
    cost = Trial(codec, body["entrance"], body["kind"], node, size).result()
    find = Find(codec, body["entrance"], body["kind"], node, size, cost, score(codec, cost))
    print(text_of(find))
    return 1 if find.score > 1 else 0


def rows(search: Search) -> list[str]:
    """Write the worst of each codec, entrance and class of length as a table: seconds and MiB, and of the budget."""
    lines = [f"| codec, entrance | {' | '.join(CLASSES)} |", "| --- |" + " ---: |" * len(CLASSES)]
    for codec in search.codecs:
        for entrance in ENTRANCES:
            found = [search.worst.get((codec, entrance, name)) for name in CLASSES]
            if any(found):
                cells = [cell(codec, slot) if slot else "" for slot in found]
                lines.append(f"| {codec}, {entrance} | {' | '.join(cells)} |")
    return lines


def write_table(path: Path, text: str) -> None:
    """Write the table between the marks of a page, or as a file of its own."""
    page = path.read_text() if path.exists() else f"{BEGIN}{END}\n"
    before, rest = page.split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}")


def cell(codec: str, slot: list[tuple[object, float]]) -> str:
    """Write the slowest and the largest, each with its part of what it may take."""
    slow, large = slot[0][0], slot[1][0]
    time = f"{slow.cpu_s:.2f} s ({slow.cpu_s / may_take_s(slow.length):.0%})"
    return f"{time}, {large.memory / MIB:.0f} MiB ({large.memory / may_hold(codec, large.length):.0%})"


if __name__ == "__main__":
    sys.exit(main())
