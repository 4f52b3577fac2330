"""Direct labels that do not overlap: names beside points, and names at the ends of lines.

Both are greedy and without chance, so that equal rows give an equal picture. Positions are in pixels, hence after the
layout is settled.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import cos, hypot, pi, sin
from typing import TYPE_CHECKING, Any, NamedTuple

from serlab.report.figures.look import SMALL, look_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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


def box_of(artist: Any) -> Box:
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
    for i in sorted(range(len(points)), key=lambda i: (-crowd(places, i, 60 * scale), -places[i][1], points[i][0])):
        name = points[i][0]
        text = named(axis, name, name in bold)
        shape = box_of(text)
        spot = free_spot(places[i], (shape.right - shape.left, shape.high - shape.low), taken, inside, scale)
        taken.append(spot)
        put(axis, text, spot, places[i], scale)


def segments(axis: "Axes", xs: Sequence[float], ys: Sequence[float]) -> list[Box]:
    """Give the pieces of a line that runs along the axes as boxes to keep clear of.

    Args:
        axis: settled.
        xs: of its corners, in data coordinates.
        ys: of its corners.
    """
    corners = [tuple(corner) for corner in axis.transData.transform(list(zip(xs, ys, strict=True)))]
    return [Box(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1) for (a, b), (c, d) in pairwise(corners)]


def named(axis: "Axes", name: str, is_bold: bool) -> Any:
    """Make a name in the colour of the codec that it begins with; it takes no part in the layout."""
    weight = "bold" if is_bold else "normal"
    ink = look_of(name.partition(" ")[0]).ink
    text = axis.text(0, 0, name, fontsize=SMALL, color=ink, fontweight=weight, va="bottom", zorder=5)
    text.set_in_layout(False)
    text.set_gid("label")
    return text


def crowd(places: Sequence[tuple[float, ...]], i: int, reach: float) -> int:
    """Count the points within reach of a point."""
    return sum(hypot(x - places[i][0], y - places[i][1]) < reach for x, y in places)


def spots(place: tuple[float, ...], size: tuple[float, float], scale: float) -> Iterator[Box]:
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


def free_spot(
    place: tuple[float, ...], size: tuple[float, float], taken: Sequence[Box], inside: Box, scale: float
) -> Box:
    """Choose the first box that is free; where none is, the one that meets the fewest others."""
    candidates = [box for box in spots(place, size, scale) if inside.holds(box)] or list(spots(place, size, scale))
    return min(candidates, key=lambda box: sum(box.meets(other, GAP) for other in taken))


def put(axis: "Axes", text: Any, spot: Box, place: tuple[float, ...], scale: float) -> None:
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
    height = max(box.high - box.low for box in map(box_of, ordered)) + GAP / 2
    for label, at, y in zip(ordered, wanted, apart(wanted, height), strict=True):
        label.set_position((OFFSET, (y - at) / scale))


def apart(wanted: Sequence[float], height: float) -> list[float]:
    """Give ascending positions at least a height from each other, each group of them around its middle."""
    groups: list[list[float]] = []
    for y in wanted:
        groups.append([y])
        while len(groups) > 1 and top(groups[-2], height) + height > bottom(groups[-1], height):
            last = groups.pop()
            groups[-1] += last
    return [bottom(group, height) + i * height for group in groups for i in range(len(group))]


def bottom(group: Sequence[float], height: float) -> float:
    """Give the lowest position of a group that is stacked around the middle of what its members want."""
    return sum(group) / len(group) - (len(group) - 1) * height / 2


def top(group: Sequence[float], height: float) -> float:
    """Give the highest position of such a group."""
    return bottom(group, height) + (len(group) - 1) * height
