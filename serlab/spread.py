"""JSON values that stand over several lines: found, passed over, and reported once for a file.

A line that begins an object or an array and does not end it may be damaged, or the start of a value that was printed
over several lines. The lines after it tell: only where they go on with valid JSON is it the latter.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

from serlab import sse
from serlab.errors import CorpusError
from serlab.hints import ITEMS, jq
from serlab.streams import MAX_LINE, Origin
from serlab.weight import is_heavy

Numbered = tuple[int, bytes]

MOST_LOOKED_AT = 1 << 20
"""Bytes of a value that are looked at; where they are right, the rest of it is only counted through."""

FEWEST_LINES = 3
"""Lines, blank ones aside, that a value must go on over to be one without its end: a damaged line before a whole one
is two."""

ENDS = {b"{": b"}", b"[": b"]"}
TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')


class Spread:
    """Passes over what stands over several lines.

    Args:
        origin: the file.
        report: receives one error for all such values, and one for a value that the file ends inside.
        at_once: report the first as soon as it is found.
    """

    def __init__(self, origin: Origin, report: Callable[[CorpusError], None], at_once: bool) -> None:
        self.origin = origin
        self.report = report
        self.at_once = at_once
        self.found: list[tuple[int, int]] = []
        self.starts: set[bytes] = set()
        self.cut: tuple[int, int, int] | None = None
        """Of a value that the file ends inside: its first and last line, and how many of them are read all the same."""

    def single_lines(self, lines: Iterator[Numbered]) -> Iterator[Numbered]:
        """Yield the other lines."""
        ahead: deque[Numbered] = deque()
        in_event = False
        while (item := ahead.popleft() if ahead else next(lines, None)) is not None:
            # The lines after an event's unfinished data may be the rest of it, up to a blank line.
            in_event = is_unfinished_event(item[1]) or (in_event and item[1].strip() != b"")
            if in_event or not is_unfinished(item[1]):
                yield item
                continue
            ahead.appendleft(item)
            last, is_whole = end_of_value(ahead, lines)
            if last == item[0]:
                yield ahead.popleft()
                continue
            held = [ahead.popleft() for _ in range(sum(number <= last for number, _ in ahead))]
            own = [] if is_whole else [one for one in held if is_own_body(one[1])]
            if is_whole:
                self.found.append((item[0], last))
                self.starts.add(item[1].lstrip()[:1])
            else:
                self.cut = (item[0], last, len(own))
            if self.at_once:
                self.tell()
            yield from own

    def tell(self) -> None:
        """Report what was found, once, at the place of the first; then what the file ends inside."""
        if self.found:
            self.tell_found()
        if self.cut:
            first, last, own = self.cut
            read = f"; {own:,} of the lines after it {'is a body and is' if own == 1 else 'are bodies and are'} read"
            reason = f"the file ends inside a value that begins here; lines {first:,} to {last:,} belong to it"
            self.report(CorpusError(self.origin.name, first, reason + (read if own else "")))

    def tell_found(self) -> None:
        """Report the values that are whole."""
        first, last = self.found[0]
        others = len(self.found) - 1
        more = f", and so {'is' if others == 1 else 'are'} {others:,} more after it" if others else ""
        filter_ = FILTERS[self.starts == {b"["}, b"[" in self.starts]
        remedy = f"expected one body on each line: {jq(self.origin, filter_)}"
        reason = f"lines {first:,} to {last:,} are one JSON value{more}; {remedy}"
        self.report(CorpusError(self.origin.name, first, reason))


FILTERS = {(True, True): ".[]", (False, False): ".", (False, True): ITEMS}
"""(all are arrays, some are) → the jq filter that writes one body on each line."""


def is_unfinished(line: bytes) -> bool:
    """Tell a line that begins an object or an array and does not end as one."""
    begin = line[:1] if line[:1] in ENDS else line.lstrip()[:1]
    return begin in ENDS and not line.rstrip().endswith(ENDS[begin])


def is_unfinished_event(line: bytes) -> bool:
    """Tell an event's data that begins an object or an array and does not end as one."""
    if not sse.START.match(line):
        return False
    field, _, value = line.partition(b":")
    return field.strip() == b"data" and is_unfinished(value)


def is_own_body(line: bytes) -> bool:
    """Tell a line that is a body by itself; a part of what was printed is indented, or goes on with a comma."""
    return line[:1] in ENDS and sse.is_json(line)


def end_of_value(ahead: deque[Numbered], lines: Iterator[Numbered]) -> tuple[int, bool]:
    """Give the number of the line that a value ends in, and whether it does end there.

    Args:
        ahead: lines that were read already; the value begins in the first. What is read more is added.
        lines: the lines after them.

    Returns:
        The first line's own number, if what begins there is no value over several lines; the last line's and False, if
        the file ends inside the value.
    """
    taken, first = FEWEST_LINES, ahead[0][0]
    while True:
        shown = list(islice(ahead, taken))
        size, written = sum(len(line) for _, line in shown), sum(line.strip() != b"" for _, line in shown)
        while len(shown) < taken and (size < MOST_LOOKED_AT or written < FEWEST_LINES):
            if (item := next(lines, None)) is None:
                break
            ahead.append(item)
            shown.append(item)
            size, written = size + len(item[1]), written + (item[1].strip() != b"")
        text = b"\n".join(line.rstrip(b"\r\n") for _, line in shown)
        if not sse.is_cut_json(text):
            return shown[lines_of_value(text) - 1][0], True
        if size >= MOST_LOOKED_AT and written >= FEWEST_LINES:
            return passed_over(ahead, lines)
        if len(shown) < taken:
            return (shown[-1][0], False) if written >= FEWEST_LINES else (first, True)
        taken *= 2


def lines_of_value(text: bytes) -> int:
    """Count the lines of the JSON value that a text begins with; 1 if it is none, or too much to be read."""
    if is_heavy(text, MAX_LINE):
        return 1
    try:
        decoded = text.decode()
        _, end = json.JSONDecoder().raw_decode(decoded, len(decoded) - len(decoded.lstrip()))
    except (ValueError, RecursionError):
        return 1
    return decoded.count("\n", 0, end) + 1


def passed_over(ahead: deque[Numbered], lines: Iterator[Numbered]) -> tuple[int, bool]:
    """Read to the end of a long value, by its brackets; give the number of its last line, and whether it ends there."""
    depth = number = 0
    while (item := ahead.popleft() if ahead else next(lines, None)) is not None:
        number, rest = item[0], TEXT.sub(b"", item[1])
        depth += sum(rest.count(mark) for mark in ENDS) - sum(rest.count(mark) for mark in ENDS.values())
        if depth <= 0:
            return number, True
    return number, False
