"""What a figure shows, read from the scene that Vega makes of it: marks and texts with their places in the picture."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from math import cos, radians, sin
from typing import Any, NamedTuple

import vl_convert

from serlab.report.figures import Picture
from serlab.report.figures.labels import Box
from serlab.report.figures.picture import SMALL, widths

LINE = 2
"""Pixels that Vega adds to a font's size for the next line."""


class Text(NamedTuple):
    """A text that is seen, where it is, and how."""

    text: str
    box: Box
    size: float
    is_bold: bool


def scene_of(figure: Picture) -> dict[str, Any]:
    """Return the scene and the size of the whole picture."""
    found: dict[str, Any] = vl_convert.vegalite_to_scenegraph(figure.spec)
    return found


def texts_of(figure: Picture) -> list[Text]:
    """List the texts that are seen; the white edges behind some are none."""
    scene = scene_of(figure)
    items = [one for one in _items(scene["scenegraph"], *scene["origin"]) if one[0] == "text"]
    seen = [one for one in items if one[1].get("opacity", 1) > 0 and "stroke" not in one[1]]
    lines = [(line, i, item, x, y) for _, item, x, y in seen for i, line in enumerate(_lines(item)) if line.strip()]
    wide = {is_bold: widths({line[0]: is_bold for line in lines}) for is_bold in (False, True)}
    return [_text(*line, wide[line[2].get("fontWeight") == "bold"]) for line in lines]


def overlapping(figure: Picture) -> list[tuple[str, str]]:
    """List the pairs of texts that overlap by more than a pixel."""
    return [(one.text, other.text) for one, other in combinations(texts_of(figure), 2) if one.box.meets(other.box, -1)]


def outside(figure: Picture) -> list[str]:
    """List the texts that leave the picture."""
    scene = scene_of(figure)
    page = Box(-1, -1, scene["width"] + 1, scene["height"] + 1)
    return [one.text for one in texts_of(figure) if not page.holds(one.box)]


def words(figure: Picture) -> set[str]:
    """List the texts of a figure."""
    return {one.text for one in texts_of(figure)}


def shown(figure: Picture, place: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """List the rows of a panel that have these values."""
    found: list[dict[str, Any]] = figure.spec["concat"][place]["data"]["values"]
    return [row for row in found if all(row.get(name) == value for name, value in fields.items())]


def title_of(figure: Picture, place: int = 0) -> list[str]:
    """Return the lines of a panel's title."""
    found: list[str] = figure.spec["concat"][place]["title"]["text"]
    return found


def codecs_of(figure: Picture, place: int = 0) -> list[str]:
    """List the codecs of a panel, from the top."""
    return list(dict.fromkeys(row["codec"] for row in shown(figure, place) if "codec" in row))


def _items(mark: dict[str, Any], x: float, y: float) -> Iterator[tuple[str, dict[str, Any], float, float]]:
    """Yield what is drawn with its place."""
    for item in mark["items"]:
        at = x + item.get("x", 0), y + item.get("y", 0)
        yield mark["marktype"], item, *at
        for inner in item.get("items", ()):
            yield from _items(inner, *at)


def _lines(item: dict[str, Any]) -> list[str]:
    """Return a text's lines."""
    text = item.get("text", "")
    return [str(line) for line in (text if isinstance(text, list) else [text])]


def _text(line: str, i: int, item: dict[str, Any], x: float, y: float, wide: Mapping[str, float]) -> Text:
    """Measure one line of a text."""
    size, is_bold = item["fontSize"], item.get("fontWeight") == "bold"
    width = min(wide[line] * size / SMALL, item.get("limit") or 1e9)
    left = {"left": 0.0, "center": -width / 2, "right": -width}[item.get("align", "left")] + item.get("dx", 0)
    above = {"top": 0.0, "middle": 0.5, "bottom": 1.0, "alphabetic": 0.79}[item.get("baseline", "alphabetic")]
    top = i * (size + LINE) - above * size + item.get("dy", 0)
    turn = radians(item.get("angle", 0))
    corners = [(u * cos(turn) - v * sin(turn), u * sin(turn) + v * cos(turn))
               for u in (left, left + width) for v in (top, top + size)]  # fmt: skip
    xs, ys = zip(*corners, strict=True)
    return Text(line, Box(x + min(xs), y + min(ys), x + max(xs), y + max(ys)), size, is_bold)
