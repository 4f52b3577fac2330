"""The one look: a codec has one colour everywhere, a variant the colour of its family and a hollow mark.

Colours are Okabe and Ito's, told apart with every common kind of colour blindness; marks and direct labels say the same
once more, so that nothing hangs on the colour.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from itertools import pairwise
from math import cos, hypot, pi, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from serlab.codecs import CodecInfo, find_info
from serlab.errors import MissingPackageError, UnknownNameError
from serlab.folders import write_atomically
from serlab.report.formatting import SIZE, TIME, three_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from serlab.report.figures.canvas import Picture


OTHER = "#56B4E9"
"""The colour of codecs whose record names none, or that are not installed here."""
ACCENT = "#D55E00"
"""The colour of what is no codec and stands out."""

QUIET = "#666666"
"""The colour of what is no codec: the A/A band, floors, the front."""
BAND = "#BBBBBB"
WIDTH = 8.4
"""Inches of a whole figure: at the width of a page on GitHub, 8 points stay 8 points."""
SMALL = 8
"""Points of the smallest text."""
TITLE = 1.12
"""A title may be this multiple of its panel's width."""
PANEL = 0.72
"""Share of its part of the figure that a panel takes, beside its labels, about."""
CONTRAST = 4.5
FORMATS = ("png", "svg")
RATE = ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"))


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
        mark: matplotlib's name of the mark.
    """

    colour: str
    is_variant: bool
    mark: str

    @property
    def fill(self) -> str:
        """Give what its marks are filled with."""
        return "white" if self.is_variant else self.colour

    @property
    def ink(self) -> str:
        """Give the colour of its text: its own, darkened until it can be read on white."""
        return darkened(self.colour)


def look_of(codec: str) -> Look:
    """Tell how a codec is drawn."""
    info = find_info(codec)
    family = find_info(info.stem) if info is not None else None
    if info is None or family is None:
        return Look(OTHER, False, "o")
    return Look(family.colour or OTHER, info is not family, _mark_of(info))


def _mark_of(info: CodecInfo) -> str:
    """Return a codec's mark: a circle, or what shows how a variant differs."""
    if info.vectors:
        return "^" if info.vectors == "base64" else "v"
    if not info.keep:
        return "P"
    if not info.verify:
        return "D"
    return "s" if info.variant_of else "o"


def darkened(colour: str) -> str:
    """Darken a colour until its contrast to white is 4.5, which WCAG 2.2 asks of small text."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    while 1.05 / (luminance(parts) + 0.05) < CONTRAST:
        parts = [part * 0.95 for part in parts]
    return "#" + "".join(f"{round(part * 255):02X}" for part in parts)


def luminance(parts: Sequence[float]) -> float:
    """Give the relative luminance of red, green and blue between 0 and 1 (WCAG 2.2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


P = ParamSpec("P")
R = TypeVar("R")


def drawn(draw: Callable[P, R]) -> Callable[P, R]:
    """Let a figure function run in serlab's style.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """

    @wraps(draw)
    def wrapped(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            from serlab.report.figures.canvas import style
        except ImportError as error:
            raise MissingPackageError("figures need matplotlib: pip install 'serlab[notebooks]'") from error
        with style():
            return draw(*arguments, **options)

    return wrapped


def sheet(
    rows: int, columns: int, heights: Sequence[float], width: float = WIDTH, **options: Any
) -> tuple["Picture", list[list["Axes"]]]:
    """Make a figure with a grid of panels.

    Args:
        rows: of panels.
        columns: of panels.
        heights: inches of each row, its title and ticks included.
        width: of the figure, inches.
        options: of `Figure.subplots`.
    """
    from serlab.report.figures.canvas import Picture

    figure = Picture(width, sum(heights) + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False, height_ratios=list(heights), **options)
    return figure, [list(line) for line in panels]


def marks(axis: "Axes", codec: str, xs: Sequence[float], figures: Sequence["Spread"], line: str = "") -> None:
    """Draw a codec's figures as marks with vertical intervals.

    Args:
        axis: where.
        codec: gives the look, and the artists' id.
        xs: of the marks.
        figures: their values with intervals.
        line: matplotlib's style of a line that joins them; "" for none.
    """
    look, values = look_of(codec), [figure.value for figure in figures]
    reach = [[one.value - one.low for one in figures], [one.high - one.value for one in figures]]
    style: dict[str, Any] = {"color": look.colour, "mfc": look.fill, "ms": 5.5, "lw": 1.2}
    style |= {"capsize": 2.5, "elinewidth": 1, "zorder": 4, "gid": codec}
    axis.errorbar(xs, values, yerr=reach, fmt=line + look.mark, **style)


def settle(figure: "Picture") -> None:
    """Lay the figure out and keep it so; only then is it known where a label would overlap another."""
    for axis in figure.axes:
        # A long title would make the layout squeeze the panels, so it is cut before to what they will about have.
        columns = axis.get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
        _shorten(axis, figure.bbox.width / columns * PANEL)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis in figure.axes:
        box = axis.get_window_extent()
        _shorten(axis, min(box.width * TITLE, figure.bbox.width - box.x0 - 4))


def _shorten(axis: "Axes", room: float) -> None:
    """Cut the middle out of the longest word of a title that is wider than a room in pixels."""
    title = axis._left_title  # type: ignore[attr-defined]
    whole = title.get_text()
    name = max(whole.split(), key=len, default="")
    kept = len(name)
    while title.get_window_extent().width > room and kept > 8:
        kept -= 1
        # The end tells the kinds of messages of one corpus apart.
        title.set_text(whole.replace(name, f"{name[: kept // 3]}…{name[len(name) - (kept - kept // 3) :]}", 1))


def save(figure: "Picture", path: str | Path) -> Path:
    """Write a figure; equal rows give equal bytes.

    Args:
        figure: from one of the figure functions.
        path: a .png or .svg file.

    Returns:
        The path.

    Raises:
        UnknownNameError: another ending.
        ResultsError: the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise UnknownNameError.of("format of figures", suffix, FORMATS)
    write_atomically(path, figure.data(suffix))
    return path


def tick(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    """Write a figure at a tick: in its unit, without digits that say nothing."""
    if value == 0:
        return "0"
    factor, unit = next((step for step in steps if abs(value) >= step[0] * (1 - 1e-9)), steps[-1])
    return f"{value / factor:.4g} {unit}".replace(" ×", "×")


def unit_axis(axis: Any, steps: tuple[tuple[float, str], ...]) -> None:
    """Write the ticks of a logarithmic axis, an `Axes.xaxis` or `yaxis`, with their units."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    if high > 8 * low:
        axis.set_major_locator(LogLocator(subs=(1.0,) if high > 200 * low else (1.0, 2.0, 5.0), numticks=7))
    else:
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, steps)))
    axis.set_minor_formatter(NullFormatter())


def time_axis(axis: Any) -> None:
    """Write ticks as ns, µs, ms and s."""
    unit_axis(axis, TIME)


def size_axis(axis: Any) -> None:
    """Write ticks as B, kB and MB."""
    unit_axis(axis, SIZE)


def ratio_axis(axis: Any) -> None:
    """Write ticks as 0.1×, 1×, 10×."""
    unit_axis(axis, ((1.0, "×"),))


def ratio_text(value: float) -> str:
    """Write a ratio."""
    return f"{three_digits(value)}×"


# Direct labels that do not overlap: names beside points, and names at the ends of lines.
#
# Both are greedy and without chance, so that equal rows give an equal picture. Positions are in pixels, hence after
# the layout is settled.

GAP = 2.0
"""Pixels between two labels at least."""
NEAR = 7.0
"""Points from a mark's middle to its label where there is room."""
RINGS = (1.0, 1.8, 2.8, 4.0, 5.5, 7.5, 10.0)
"""Distances that are tried, as multiples of `NEAR`."""
DIRECTIONS = 16
STRAIGHT = {"shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)}
"""From the left edge of a label to the end of its line."""
OFFSET = 18.0
"""Points from a panel to the names at the ends of its lines."""
LEADER = 1.3
"""A label farther away than this multiple of `NEAR` gets a line to its mark."""


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    low: float
    right: float
    high: float

    def meets(self, other: "Box", gap: float = 0.0) -> bool:
        """Tell whether two boxes overlap or are nearer than a gap."""
        apart = self.left >= other.right + gap or other.left >= self.right + gap
        return not (apart or self.low >= other.high + gap or other.low >= self.high + gap)

    def holds(self, other: "Box") -> bool:
        """Tell whether another box is inside."""
        inside = self.left <= other.left and other.right <= self.right
        return inside and self.low <= other.low and other.high <= self.high


def _box_of(artist: Any) -> Box:
    """Measure a text, its leader aside."""
    from matplotlib.text import Text

    figure = artist.get_figure()
    return Box(*Text.get_window_extent(artist, figure.canvas.get_renderer()).extents)


def label_points(
    axis: "Axes", points: Sequence[tuple[str, float, float]], obstacles: Sequence[Box] = (), bold: Sequence[str] = ()
) -> None:
    """Write each codec's name beside its point.

    Args:
        axis: settled, with its final limits.
        points: name, x, y in data coordinates.
        obstacles: boxes to keep clear of, beside the marks.
        bold: names to stress.
    """
    scale = axis.figure.dpi / 72
    places = [tuple(axis.transData.transform((x, y))) for _, x, y in points]
    marks = [Box(x - 4 * scale, y - 4 * scale, x + 4 * scale, y + 4 * scale) for x, y in places]
    taken = [*marks, *obstacles]
    inside = Box(*axis.get_window_extent().extents)
    # Those in the densest spots have the fewest places to go, so they choose first.
    for i in sorted(range(len(points)), key=lambda i: (-_crowd(places, i, 60 * scale), -places[i][1], points[i][0])):
        name = points[i][0]
        text = _named(axis, name, name in bold)
        shape = _box_of(text)
        spot = _free_spot(places[i], (shape.right - shape.left, shape.high - shape.low), taken, inside, scale)
        taken.append(spot)
        _put(axis, text, spot, places[i], scale)


def segments(axis: "Axes", xs: Sequence[float], ys: Sequence[float]) -> list[Box]:
    """Give the pieces of a line that runs along the axes as boxes to keep clear of.

    Args:
        axis: settled.
        xs: of its corners, in data coordinates.
        ys: of its corners.
    """
    corners = [tuple(corner) for corner in axis.transData.transform(list(zip(xs, ys, strict=True)))]
    return [Box(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1) for (a, b), (c, d) in pairwise(corners)]


def _named(axis: "Axes", name: str, is_bold: bool) -> Any:
    """Make a name in the colour of the codec that it begins with; it takes no part in the layout."""
    weight = "bold" if is_bold else "normal"
    ink = look_of(name.partition(" ")[0]).ink
    text = axis.text(0, 0, name, fontsize=SMALL, color=ink, fontweight=weight, va="bottom", zorder=5)
    text.set_in_layout(False)
    text.set_gid("label")
    return text


def _crowd(places: Sequence[tuple[float, ...]], i: int, reach: float) -> int:
    """Count the points within reach of a point."""
    return sum(hypot(x - places[i][0], y - places[i][1]) < reach for x, y in places)


def _spots(place: tuple[float, ...], size: tuple[float, float], scale: float) -> Iterator[Box]:
    """Give the boxes that a label may take, the nearest first, on each ring the right one first."""
    width, height = size
    for ring in RINGS:
        reach = ring * NEAR * scale
        for k in range(DIRECTIONS):
            turn = pi * ((k + 1) // 2) / (DIRECTIONS / 2) * (-1) ** k
            x, y = place[0] + reach * cos(turn), place[1] + reach * sin(turn)
            left = x - width * (1 - cos(turn)) / 2
            low = y - height * (1 - sin(turn)) / 2
            yield Box(left, low, left + width, low + height)


def _free_spot(
    place: tuple[float, ...], size: tuple[float, float], taken: Sequence[Box], inside: Box, scale: float
) -> Box:
    """Choose the first box that is free; where none is, the one that meets the fewest others."""
    candidates = [box for box in _spots(place, size, scale) if inside.holds(box)] or list(_spots(place, size, scale))
    return min(candidates, key=lambda box: sum(box.meets(other, GAP) for other in taken))


def _put(axis: "Axes", text: Any, spot: Box, place: tuple[float, ...], scale: float) -> None:
    """Move a label to its box, with a line to its mark where it is far."""
    back = axis.transData.inverted()
    text.set_position(tuple(back.transform((spot.left, spot.low))))
    near = (min(max(place[0], spot.left), spot.right), min(max(place[1], spot.low), spot.high))
    if hypot(near[0] - place[0], near[1] - place[1]) > LEADER * NEAR * scale:
        ends = back.transform([place, near])
        axis.plot(*zip(*ends, strict=True), color=text.get_color(), lw=0.6, zorder=2, scalex=False, scaley=False)


def reserve_ends(axis: "Axes", ends: Sequence[tuple[str, float]], notes: dict[str, str] | None = None) -> list[Any]:
    """Write names right of a panel, at the height of their lines' ends, so that the layout leaves room for them.

    Args:
        axis: before the layout is settled.
        ends: name, y in data coordinates.
        notes: name → what is written after it.

    Returns:
        The labels, for `spread_ends`.
    """
    labels = []
    for name, y in ends:
        text = f"{name} {(notes or {}).get(name, '')}".rstrip()
        label = axis.annotate(
            text,
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(OFFSET, 0),
            textcoords="offset points",
            fontsize=SMALL,
            color=look_of(name).ink,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.6, "color": look_of(name).colour, **STRAIGHT},
        )
        label.set_gid("label")
        labels.append(label)
    return labels


def spread_ends(axis: "Axes", labels: Sequence[Any]) -> None:
    """Move the labels at line ends apart, by no more than they need.

    Args:
        axis: settled.
        labels: from `reserve_ends`.
    """
    if not labels:
        return
    scale = axis.figure.dpi / 72
    ordered = sorted(labels, key=lambda label: (axis.transData.transform((1, label.xy[1]))[1], label.get_text()))
    wanted = [float(axis.transData.transform((1, label.xy[1]))[1]) for label in ordered]
    height = max(box.high - box.low for box in map(_box_of, ordered)) + GAP / 2
    for label, at, y in zip(ordered, wanted, apart(wanted, height), strict=True):
        label.set_position((OFFSET, (y - at) / scale))


def apart(wanted: Sequence[float], height: float) -> list[float]:
    """Give ascending positions at least a height from each other, each group of them around its middle."""
    groups: list[list[float]] = []
    for y in wanted:
        groups.append([y])
        while len(groups) > 1 and _top(groups[-2], height) + height > bottom(groups[-1], height):
            last = groups.pop()
            groups[-1] += last
    return [bottom(group, height) + i * height for group in groups for i in range(len(group))]


def bottom(group: Sequence[float], height: float) -> float:
    """Give the lowest position of a group that is stacked around the middle of what its members want."""
    return sum(group) / len(group) - (len(group) - 1) * height / 2


def _top(group: Sequence[float], height: float) -> float:
    """Give the highest position of such a group."""
    return bottom(group, height) + (len(group) - 1) * height
