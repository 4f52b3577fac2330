"""The cells of both matrices, and how an outcome is told."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from serlab.codecs import reason
from serlab.errors import DecodeError, EncodeError, SerlabError
from serlab.messages import first_difference

ROUND_TRIP = "round trip"
FOREIGN = "foreign bytes"
LIBRARY = "library, round trip"
LIBRARY_FOREIGN = "library, foreign bytes"
DIRECTIONS = (ROUND_TRIP, FOREIGN, LIBRARY, LIBRARY_FOREIGN)

KEPT, REFUSED, CHANGED = "kept", "refused", "changed"
NO_CASE = "no case"
"""The format has no way to say it, so that there is nothing to try."""
FAILED = "failed"
"""A codec raised what its contract does not allow, or no codec could be made."""
MISSING = "missing"
"""The codec's package is not installed."""

NOTHING_STATED = "one whole message"
"""What is expected of bytes that state no value: only a refusal is faithful."""

READS, REFUSES, MISREADS = "reads", "refuses", "misreads"
LOSES = "loses"
"""A value that was written is absent where it is read, without an error."""

MOST = 100
"""Characters of a detail."""
DIFFERENCE = re.compile(r"(?:.*?): expected (nothing|\w+ (?P<expected>.*)), got (nothing|\w+ (?P<got>.*))", re.DOTALL)
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""Where an object lies in memory, which is never the same twice."""


class Cell(NamedTuple):
    """What becomes of one trap in one codec.

    Attributes:
        codec: a codec's name; with a direction "library …" the library that it stands on, by itself.
        trap: the trap's name.
        direction: one of `DIRECTIONS`.
        outcome: kept, refused, changed, no case, failed or missing.
        detail: what came back instead, or the complaint, in one line.
    """

    codec: str
    trap: str
    direction: str
    outcome: str
    detail: str


class EvolutionCell(NamedTuple):
    """What a reader with one schema makes of bytes written with another.

    Attributes:
        codec: a format, by the name of its codec; a variant bears its condition in brackets.
        change: the change of the schema.
        direction: "old reader, new bytes" or "new reader, old bytes".
        outcome: reads, loses, misreads, refuses or missing.
        detail: what was read, field by field, or the complaint.
        rule: what the format's own published rules say of the change: allowed, conditional or forbidden.
        because: the rule in a few words; "" where the change is allowed.
    """

    codec: str
    change: str
    direction: str
    outcome: str
    detail: str
    rule: str
    because: str


def judged(attempt: Callable[[], tuple[Any, Any]], refusals: type[Exception] = SerlabError) -> tuple[str, str]:
    """Try something and say what became of it.

    Args:
        attempt: gives what was expected and what came.
        refusals: the exceptions that are a refusal; any other means a failure and harms no other cell.

    Returns:
        The outcome and its detail.
    """
    try:
        expected, got = attempt()
        difference = f"read as {got!r}" if expected is NOTHING_STATED else _difference_of(expected, got)
    except ImportError as error:
        return MISSING, brief_text(str(error))
    except refusals as error:
        return REFUSED, _complaint(error)
    except Exception as error:
        return FAILED, brief_text(f"raised what the contract does not allow: {reason(error)}")
    return (CHANGED, brief_text(difference)) if difference else (KEPT, "")


def _difference_of(expected: Any, got: Any) -> str:
    """Name the first difference as "GOT for EXPECTED"; "" if there is none."""
    text = first_difference(expected, got)
    found = DIFFERENCE.fullmatch(text)
    return f"{found['got'] or 'nothing'} for {found['expected'] or 'nothing'}" if found else text


def _complaint(error: Exception) -> str:
    """Return the reason of a refusal: the library's own where there is one."""
    cause = error.__cause__ if isinstance(error, EncodeError | DecodeError) else None
    return brief_text(reason(cause) if isinstance(cause, Exception) else reason(error))


def brief_text(text: str) -> str:
    """Cut a text to one line of `MOST` characters that any terminal and any file can hold."""
    line = " ".join(ADDRESS.sub("", text).split())
    line = line if line.isprintable() else line.encode("unicode_escape").decode()
    return line if len(line) <= MOST else line[: MOST - 1] + "…"
