"""The console that the commands print to, for any terminal and any text.

Text from data is never markup. A character that the terminal's encoding lacks has a stand-in, so that a command ends
as it would elsewhere.
"""

import codecs
import io
import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from serlab.visible import visible

STAND_INS = {
    "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "→": ">", "·": ".", "µ": "u", "≤": "<=", "≥": ">=", "≈": "~",
    "’": "'", "▸": ">", "±": "+-",
}  # fmt: skip
"""What stands for characters of serlab's own texts; others are written as escapes."""
HANDLER = "serlab.stand-ins"
FEWEST_COLUMNS = 20
"""A terminal said to be narrower is not believed: no table can be read on it."""


class Shown(Console):
    """Rich's console, but text is not read as markup, nothing in it acts, and a closed pipe is for the caller."""

    def render_str(self, text: str, *arguments: Any, **settings: Any) -> Text:
        """Render a text; its newlines are serlab's own."""
        return super().render_str(visible(text, keep="\n"), *arguments, **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render anything; what a text from data may hold is made visible at the last."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text, keep="\n"), style, control)

    def on_broken_pipe(self) -> None:
        """Let the command end as it does when it prints without rich."""
        raise BrokenPipeError


def console(stderr: bool = False) -> Console:
    """Return a console for standard output, or for standard error."""
    return Shown(stderr=stderr, markup=False, emoji=False, highlight=False)


def literal(text: object, style: str = "") -> Text:
    """Return a text from data as any console shows it: as it is, on one line, whatever is in it."""
    return Text(visible(str(text)), style=style)


def complain(text: str) -> None:
    """Print a line for people on standard error; what it tells may come from data, and `##[` is a command to GitHub."""
    print(f"serlab: {visible(text).replace('##[', '## [')}", file=sys.stderr)


def settle() -> bool:
    """Make this process print on what it has: any encoding, and a width that tables can be laid out for.

    Returns:
        Whether there is a standard output. What is closed of the standard streams is opened on nothing: else the next
        file that is opened would take its number, and with it what a child prints.
    """
    is_open = sys.stdout is not None
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    codecs.register_error(HANDLER, _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isascii() and columns.isdigit() and int(columns) >= FEWEST_COLUMNS):
        os.environ.pop("COLUMNS", None)
    return is_open


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(STAND_INS.get(one) or ascii(one)[1:-1] for one in lacking), error.end


def is_unicode(encoding: str | None) -> bool:
    """Return whether an encoding has every character."""
    return (encoding or "utf-8").lower().replace("_", "-").startswith("utf")
