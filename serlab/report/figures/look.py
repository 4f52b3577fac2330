"""The one look: a codec has one colour everywhere, a variant the colour of its family and a hollow mark.

Colours are Okabe and Ito's, told apart with every common kind of colour blindness; marks and direct labels say the same
once more, so that nothing hangs on the colour.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from serlab.codecs import CodecInfo, find_info
from serlab.report.formatting import three_digits
from serlab.visible import visible

OTHER = "#56B4E9"
"""The colour of codecs whose record names none, or that are not installed here."""
ACCENT = "#D55E00"
"""The colour of what is no codec and stands out."""
QUIET = "#666666"
"""The colour of what is no codec: floors, the front, what is said aside."""
GREY = "#8A8A8A"
"""The colour of bands."""
CONTRAST = 4.5
RATE = ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"))
RATIO = ((1.0, "×"),)


class Spread(NamedTuple):
    """A figure with its interval, in one unit."""

    value: float
    low: float
    high: float


class Look(NamedTuple):
    """How a codec is drawn.

    Attributes:
        colour: of its family.
        is_variant: whether its marks are hollow.
        mark: Vega's name of the mark.
    """

    colour: str
    is_variant: bool
    mark: str

    @property
    def fill(self) -> str:
        """Return what its marks are filled with."""
        return "white" if self.is_variant else self.colour

    @property
    def ink(self) -> str:
        """Return the colour of its text: its own, darkened until it can be read on white."""
        return darkened(self.colour)


def look_of(codec: str) -> Look:
    """Return how a codec is drawn."""
    info = find_info(codec)
    family = find_info(info.stem) if info is not None else None
    if info is None or family is None:
        return Look(OTHER, False, "circle")
    return Look(family.colour or OTHER, info is not family, _mark_of(info))


def painted(codec: str, **row: Any) -> dict[str, Any]:
    """Return a row with what it takes to draw its codec."""
    look = look_of(codec)
    paint = {"colour": look.colour, "fill": look.fill, "ink": look.ink, "mark": look.mark, "hollow": look.is_variant}
    return {"codec": str(codec), **row, **paint}


def _mark_of(info: CodecInfo) -> str:
    """Return a codec's mark: a circle, or what shows how a variant differs."""
    if info.vectors:
        return "triangle-up" if info.vectors == "base64" else "triangle-down"
    if not info.keep:
        return "cross"
    if not info.verify:
        return "diamond"
    return "square" if info.variant_of else "circle"


def darkened(colour: str) -> str:
    """Darken a colour until its contrast to white is 4.5, which WCAG 2.2 asks of small text."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    while 1.05 / (luminance(parts) + 0.05) < CONTRAST:
        parts = [part * 0.95 for part in parts]
    return "#" + "".join(f"{round(part * 255):02X}" for part in parts)


def luminance(parts: Sequence[float]) -> float:
    """Return the relative luminance of red, green and blue between 0 and 1 (WCAG 2.2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ratio_text(value: float) -> str:
    """Write a ratio."""
    return f"{three_digits(value)}×"


def shortened(name: str, most: int = 40) -> str:
    """Cut the middle out of a name that is too long; its end tells the kinds of messages of one corpus apart."""
    name = visible(name)
    head = most // 3
    return name if len(name) <= most else f"{name[:head]}…{name[len(name) - (most - head - 1) :]}"
