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

Numbered = tuple[int, bytes]

MOST_LOOKED_AT = 1 << 20
"""Bytes of a value that are looked at; where they are right, the rest of it is only counted through."""

FEWEST_LINES = 3
"""Lines that a value must go on over where the file ends inside it: a damaged line before a whole one is two."""

ENDS = {b"{": b"}", b"[": b"]"}
TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')


class Spread:
    """Passes over what stands over several lines.

    Args:
        file: as the user named it.
        report: receives one error for all such values.
        at_once: report the first as soon as it is found.
    """

    def __init__(self, file: str, report: Callable[[CorpusError], None], at_once: bool) -> None:
        self.file = file
        self.report = report
        self.at_once = at_once
        self.found: list[tuple[int, int]] = []
        self.starts: set[bytes] = set()

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
            last = last_line_of(ahead, lines)
            if last == item[0]:
                yield ahead.popleft()
                continue
            while ahead and ahead[0][0] <= last:
                ahead.popleft()
            self.found.append((item[0], last))
            self.starts.add(item[1].lstrip()[:1])
            if self.at_once:
                self.tell()

    def tell(self) -> None:
        """Report what was found, once, at the place of the first."""
        if not self.found:
            return
        first, last = self.found[0]
        others = len(self.found) - 1
        more = f", and so {'is' if others == 1 else 'are'} {others:,} more after it" if others else ""
        filter_ = FILTERS[self.starts == {b"["}, b"[" in self.starts]
        remedy = f"expected one body on each line: {jq(self.file, filter_)}"
        self.report(CorpusError(self.file, first, f"lines {first:,} to {last:,} are one JSON value{more}; {remedy}"))


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


def last_line_of(ahead: deque[Numbered], lines: Iterator[Numbered]) -> int:
    """Give the number of the line that a value ends in.

    Args:
        ahead: lines that were read already; the value begins in the first. What is read more is added.
        lines: the lines after them.

    Returns:
        The first line's own number, if what begins there is no value over several lines.
    """
    taken, first = 2, ahead[0][0]
    while True:
        size = sum(len(line) for _, line in ahead)
        while len(ahead) < taken and size < MOST_LOOKED_AT and (item := next(lines, None)) is not None:
            ahead.append(item)
            size += len(item[1])
        shown = list(islice(ahead, taken))
        text = b"\n".join(line.rstrip(b"\r\n") for _, line in shown)
        if not sse.is_cut_json(text):
            return shown[lines_of_value(text) - 1][0]
        if size >= MOST_LOOKED_AT:
            return passed_over(ahead, lines)
        if len(shown) < taken:
            return shown[-1][0] if len(shown) >= FEWEST_LINES else first
        taken *= 2


def lines_of_value(text: bytes) -> int:
    """Count the lines of the JSON value that a text begins with; 1 if it is none."""
    try:
        decoded = text.decode()
        _, end = json.JSONDecoder().raw_decode(decoded, len(decoded) - len(decoded.lstrip()))
    except (ValueError, RecursionError):
        return 1
    return decoded.count("\n", 0, end) + 1


def passed_over(ahead: deque[Numbered], lines: Iterator[Numbered]) -> int:
    """Read to the end of a long value, by its brackets; give the number of its last line."""
    depth = number = 0
    while (item := ahead.popleft() if ahead else next(lines, None)) is not None:
        number, rest = item[0], TEXT.sub(b"", item[1])
        depth += sum(rest.count(mark) for mark in ENDS) - sum(rest.count(mark) for mark in ENDS.values())
        if depth <= 0:
            break
    return number
