"""Direct labels that do not overlap: names beside points, and names at the ends of lines.

Both are greedy and without chance, so that equal rows give an equal picture. Vega's own `label` transform is not in
vl-convert; since a picture's scales and sizes are fixed, a label's place is worked out here, in pixels from the panel's
upper left corner, and drawn as a text at that place.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil, cos, hypot, pi, sin
from typing import NamedTuple

from serlab.report.figures.charts import INK, Row, Scale, Spec, amount, haloed
from serlab.report.figures.look import look_of, shortened
from serlab.report.figures.picture import SMALL, held, widths

GAP = 2.0
"""Pixels between two labels at least."""
NEAR = 9.0
"""Pixels from a mark's middle to its label where there is room."""
RINGS = (1.0, 1.6, 2.4, 3.4, 4.6, 6.2, 8.2, 11.0)
"""Distances that are tried, as multiples of `NEAR`."""
DIRECTIONS = 16
OFFSET = 24.0
"""Pixels from a panel to the names at the ends of its lines."""
LEADER = 1.4
"""A label farther away than this multiple of `NEAR` gets a line to its mark."""
TALL = SMALL * 1.2
"""Pixels of a line of text."""
MARK = 5.0
"""Pixels from a mark's middle to its edge."""
PIECE = 8.0
"""Pixels of the boxes that stand for a line."""

Place = tuple[float, float]
Line = tuple[Place, Place, str]
"""Two ends, and the codec in whose colour it is drawn."""


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    low: float

    def meets(self, other: "Box", gap: float = 0.0) -> bool:
        """Return whether two boxes overlap or are nearer than a gap."""
        apart = self.left >= other.right + gap or other.left >= self.right + gap
        return not (apart or self.top >= other.low + gap or other.top >= self.low + gap)

    def holds(self, other: "Box") -> bool:
        """Return whether another box is inside."""
        return self.left <= other.left and other.right <= self.right and self.top <= other.top and other.low <= self.low


def _along(places: Sequence[Place]) -> list[Box]:
    """Return the pieces of a line as boxes to keep clear of."""
    found = []
    for (left, top), (right, low) in pairwise(places):
        count = ceil(hypot(right - left, low - top) / PIECE) if left != right and top != low else 1
        for i in range(count):
            xs = sorted(left + (right - left) * part / count for part in (i, i + 1))
            ys = sorted(top + (low - top) * part / count for part in (i, i + 1))
            found.append(Box(xs[0] - 0.5, ys[0] - 0.5, xs[1] + 0.5, ys[1] + 0.5))
    return found


def label_points(
    points: Sequence[tuple[str, float, float]],
    x: Scale,
    y: Scale,
    obstacles: Sequence[Sequence[Place]] = (),
    bold: Sequence[str] = (),
) -> list[Spec]:
    """Return the layers that write each codec's name beside its point.

    Args:
        points: name, which begins with the codec's, and values.
        x: of the panel.
        y: of the panel.
        obstacles: lines to keep clear of, as values of their corners.
        bold: names to stress.
    """
    wide = widths({shortened(name): name in bold for name, _, _ in points})
    places = [(x.pixel(one), y.pixel(other)) for _, one, other in points]
    taken = [Box(left - MARK, top - MARK, left + MARK, top + MARK) for left, top in places]
    for line in obstacles:
        taken += _along([(x.pixel(one), y.pixel(other)) for one, other in line])
    inside, texts, rows = Box(0, 0, x.size, y.size), list[Box](), list[Row]()
    lines: list[Line] = []
    crowd = [sum(hypot(a - c, b - d) < 80 for c, d in places) for a, b in places]
    # Those in the densest spots have the fewest places to go, so they choose first.
    for i in sorted(range(len(points)), key=lambda i: (-crowd[i], places[i][1], points[i][0])):
        name = points[i][0]
        spot = _free_spot(places[i], wide[shortened(name)], taken, texts, inside)
        texts.append(spot)
        if near := _leader(places[i], spot):
            lines.append((places[i], near, name))
            taken += _along([places[i], near])
        rows.append(_text(spot.left, (spot.top + spot.low) / 2, shortened(name), name, x, y, name in bold))
    return _written(rows, lines, x, y)


def _spots(place: Place, width: float) -> Iterator[Box]:
    """Yield the boxes that a label may take, the nearest first, on each ring the right one first."""
    for ring in RINGS:
        for k in range(DIRECTIONS):
            turn = pi * ((k + 1) // 2) / (DIRECTIONS / 2) * (-1) ** k
            left = place[0] + ring * NEAR * cos(turn) - width * (1 - cos(turn)) / 2
            top = place[1] - ring * NEAR * sin(turn) - TALL * (1 + sin(turn)) / 2
            yield Box(left, top, left + width, top + TALL)


def _free_spot(place: Place, width: float, taken: Sequence[Box], texts: Sequence[Box], inside: Box) -> Box:
    """Choose the first box that is free; where none is, the one that meets the fewest others, texts least of all."""
    spots = list(_spots(place, width))
    spots = [box for box in spots if inside.holds(box)] or spots

    def met(box: Box) -> int:
        line = _along([place, near]) if (near := _leader(place, box)) else []
        crossed = sum(piece.meets(other) for piece in line for other in texts)
        over = sum(box.meets(other, 2 * GAP) for other in texts)
        return 100 * over + 10 * crossed + sum(box.meets(other, GAP) for other in taken)

    return min(spots, key=met)


def _leader(place: Place, spot: Box) -> Place | None:
    """Return where the line from a mark to its label ends; None for a label that is near enough without."""
    near = (min(max(place[0], spot.left), spot.right), min(max(place[1], spot.top), spot.low))
    return near if hypot(near[0] - place[0], near[1] - place[1]) > LEADER * NEAR else None


def label_ends(ends: Sequence[tuple[str, float, str]], x: Scale, y: Scale) -> list[Spec]:
    """Return the layers that write names right of a panel, each with a line to the end of its codec's curve.

    Args:
        ends: codec, value at the right edge, and what is written after the name.
        x: of the panel.
        y: of the panel.
    """
    ordered = sorted(ends, key=lambda end: (y.pixel(end[1]), end[0]))
    wanted = [y.pixel(value) for _, value, _ in ordered]
    rows, lines = [], []
    for (codec, _, note), at, top in zip(ordered, wanted, apart(wanted, TALL + GAP), strict=True):
        rows.append(_text(x.size + OFFSET, top, f"{shortened(codec)} {note}".rstrip(), codec, x, y))
        lines.append(((x.size + MARK, at), (x.size + OFFSET - GAP, top), codec))
    return _written(rows, lines, x, y)


def apart(wanted: Sequence[float], height: float) -> list[float]:
    """Return ascending positions at least a height from each other, each group of them around its middle."""
    groups: list[list[float]] = []
    for place in wanted:
        groups.append([place])
        while len(groups) > 1 and _first(groups[-2], height) + len(groups[-2]) * height > _first(groups[-1], height):
            last = groups.pop()
            groups[-1] += last
    return [_first(group, height) + i * height for group in groups for i in range(len(group))]


def _first(group: Sequence[float], height: float) -> float:
    """Return the first position of a group that is stacked around the middle of what its members want."""
    return sum(group) / len(group) - (len(group) - 1) * height / 2


def _text(left: float, top: float, text: str, name: str, x: Scale, y: Scale, is_bold: bool = False) -> Row:
    """Return the row of a label, in the colour of the codec whose name comes first."""
    at = {"x": x.value(left), "y": y.value(top), "ink": _ink(name)}
    return {**at, "text": text, "weight": "bold" if is_bold else "normal"}


def _written(texts: Sequence[Row], lines: Sequence[Line], x: Scale, y: Scale) -> list[Spec]:
    """Return the layers of lines and of texts."""
    leaders = [
        {"x": x.value(left), "y": y.value(top), "x2": x.value(right), "y2": y.value(low), "ink": _ink(name)}
        for (left, top), (right, low), name in lines
    ]
    place = {"x": amount("x"), "y": amount("y"), "color": INK}
    mark = {"type": "text", "align": "left", "baseline": "middle", "fontWeight": {"expr": "datum.weight"}}
    ends = {**place, "x2": {"field": "x2"}, "y2": {"field": "y2"}}
    return haloed(
        [
            {"data": held(leaders), "mark": {"type": "rule", "strokeWidth": 0.7}, "encoding": ends},
            {"data": held(texts), "mark": mark, "encoding": {**place, "text": {"field": "text"}}},
        ]
    )


def _ink(name: str) -> str:
    """Return the colour of a name in which a codec's comes first."""
    return look_of(name.partition(" ")[0]).ink
