"""How figures are drawn: layers of Vega-Lite as plain dicts, for the page and for pictures.

Rows bear `colour` and `fill`, so that colours need no scale: those of `serlab.report.figures.look`, to which the page
adds a dark look. In a picture they bear `mark` too, and scales have fixed ends.

Source: the Vega-Lite documentation, versions 5 and 6.
"""

from collections.abc import Sequence
from json import dumps
from math import exp, log
from typing import Any, NamedTuple

from serlab.report.figures.look import GREY

Spec = dict[str, Any]
Row = dict[str, Any]
Steps = tuple[tuple[float, str], ...]

DASHED = [4, 3]
DASHES: Spec = {"condition": {"test": "datum.hollow", "value": [5, 3]}, "value": [1, 0]}
COLOUR: Spec = {"field": "colour", "type": "nominal", "scale": None}
INK: Spec = {"field": "ink", "type": "nominal", "scale": None}
PAINT: Spec = {"stroke": COLOUR, "fill": {"field": "fill", "type": "nominal", "scale": None}}
MARKED: Spec = {**PAINT, "shape": {"field": "mark", "type": "nominal", "scale": None}}
EDGE: Spec = {"stroke": GREY, "strokeWidth": 1.5}
"""What shows a band that is narrower than a pixel."""


def amount(field: str) -> Spec:
    """Describe a channel of figures."""
    return {"field": field, "type": "quantitative"}


def only(test: str) -> Spec:
    """Keep the rows that pass a test."""
    return {"transform": [{"filter": test}]}


REACH: Spec = {"y": amount("low"), "y2": {"field": "high"}}
"""The two ends of an interval."""
ACROSS: Spec = {"x": amount("low"), "x2": {"field": "high"}}
"""The two ends of one that lies."""
OWN = only("isValid(datum.codec)")
"""Keeps the rows of codecs."""


# Channels.


class Scale(NamedTuple):
    """How values become pixels in a picture.

    Attributes:
        low: the value at the left or at the bottom.
        high: the value at the other end.
        size: pixels.
        is_log: whether it is logarithmic.
        is_up: whether it runs upwards, which pixels do not.
    """

    low: float
    high: float
    size: float
    is_log: bool = True
    is_up: bool = False

    def pixel(self, value: float) -> float:
        """Return where a value is."""
        low, high, at = map(log, (self.low, self.high, value)) if self.is_log else (self.low, self.high, value)
        part = (at - low) / (high - low)
        return self.size * (1 - part if self.is_up else part)

    def value(self, pixel: float) -> float:
        """Return what is at a place."""
        part = 1 - pixel / self.size if self.is_up else pixel / self.size
        if self.is_log:
            return float(self.low * (self.high / self.low) ** part)
        return self.low + part * (self.high - self.low)


def padded(values: Sequence[float], size: float, low: float, high: float, least: float = 1.3, **up: bool) -> Scale:
    """Return a logarithmic scale of some values with pixels of room at both ends, `least` times longer than nothing."""
    first, last = min(values), max(values)
    wide = max(1.0, least * first / last) ** 0.5
    unit = log(last / first * wide**2) / (size - low - high)
    return Scale(first / wide * exp(-low * unit), last * wide * exp(high * unit), size, **up)


def axis(title: str, texts: str = "", **more: Any) -> Spec:
    """Describe an axis; `texts` is what writes its ticks."""
    count = {} if "values" in more else {"tickCount": 5}
    return {"title": title or None, **count, **({"labelExpr": texts} if texts else {}), **more}


def fixed(field: str, scale: Scale, steps: Steps = (), title: str = "", **more: Any) -> Spec:
    """Describe a channel of a picture; its ticks bear units, on a logarithmic scale at round figures alone."""
    ends = {"domain": [scale.low, scale.high], "nice": False}
    if scale.is_log:
        ends, labels = {"type": "log", **ends}, round_ticks(steps, f"{scale.high / scale.low:.6g}", 5)
    else:
        ends, labels = {"zero": False, **ends}, f"datum.value === 0 ? '0' : {_unit_text(steps)}" if steps else ""
    return {**amount(field), "scale": ends, "axis": axis(title, labels, **{"grid": False, "labelFlush": False, **more})}


def named(field: str, names: Sequence[str | Sequence[str]], low: float, high: float, **more: Any) -> Spec:
    """Describe a channel whose places 0, 1, … bear names, which may have several lines."""
    marks = {"values": [*range(len(names))], "labelOverlap": False, "ticks": False, **more}
    channel = fixed(field, Scale(low, high, 0, is_log=False), **marks)
    channel["axis"]["labelExpr"] = f"{dumps([*names])}[datum.value]"
    return channel


def by_codec(order: Sequence[str] = (), is_named: bool = True) -> Spec:
    """Put each codec on a line of its own, in the order of the rows or in a given one."""
    scale = {"scale": {"domain": [*order]}} if order else {}
    marks = axis("", ticks=False, domain=False) | ({} if is_named else {"labels": False})
    return {"field": "codec", "type": "nominal", "sort": None, **scale, "axis": marks}


def round_ticks(steps: Steps, reach: str, short: int) -> str:
    """Write powers of ten, 2 and 5 times these where there is room, and all ticks where the ends are near."""
    digit = "round(datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9)))"
    is_round = f"({reach} < {short} || {digit} === 1 || ({reach} < 300 && ({digit} === 2 || {digit} === 5)))"
    return f"{is_round} ? {_unit_text(steps)} : ''"


def _unit_text(steps: Steps) -> str:
    """Write a tick in the largest unit that keeps it at 1 or more."""
    texts = [(factor, f"format(datum.value / {factor}, '~g') + '{unit if unit == '×' else ' ' + unit}'")
             for factor, unit in steps]  # fmt: skip
    cases = "".join(f"datum.value >= {factor} ? {text} : " for factor, text in texts[:-1])
    return f"({cases}{texts[-1][1]})"


# Layers.


def bars(encoding: Spec, **mark: Any) -> Spec:
    """Draw a bar for each codec."""
    return {"mark": {"type": "bar", "strokeWidth": 1.5, "height": 11, **mark}, "encoding": {**encoding, **PAINT}}


def lines(place: Spec, **mark: Any) -> Spec:
    """Draw a line for each codec, dashed where it is a variant."""
    paint = {"detail": {"field": "codec"}, "color": COLOUR, "strokeDash": DASHES}
    return {"mark": {"type": "line", "strokeWidth": 2, **mark}, **OWN, "encoding": {**place, **paint}}


def points(encoding: Spec, paint: Spec = PAINT, **mark: Any) -> Spec:
    """Draw a mark for each row."""
    return {"mark": {"type": "point", "opacity": 1, **mark}, "encoding": {**encoding, **paint}}


def one(value: float = 1, **mark: Any) -> Spec:
    """Draw a line where a codec is equal to the baseline."""
    return {"mark": {"type": "rule", **mark}, "encoding": {"x": {"datum": value}}}


def band(encoding: Spec, mark: str = "area", **look: Any) -> Spec:
    """Draw the A/A interval in grey."""
    grey = {"type": mark, "color": GREY, "opacity": 0.45, **look}
    return {"mark": grey, **only("datum.kind === 'A/A'"), "encoding": encoding}


def floor(place: Spec, mark: str = "line", **look: Any) -> Spec:
    """Draw the floor as a dashed line."""
    dashed = {"type": mark, "strokeDash": DASHED, "color": GREY, **look}
    return {"mark": dashed, **only("datum.kind === 'floor'"), "encoding": place}


def reach(encoding: Spec, chosen: Spec = OWN, **mark: Any) -> Spec:
    """Draw intervals with their ends marked, in the codecs' colours or in one."""
    way, colour = ("x" if "x2" in encoding else "y"), {} if "color" in mark else {"color": COLOUR}
    caps = {"type": "tick", "size": 6, "thickness": 1.2, "orient": "vertical" if way == "x" else "horizontal", **mark}
    rule = {"mark": {"type": "rule", "strokeWidth": 1.2, **mark}, "encoding": {**encoding, **colour}}
    rest = {channel: field for channel, field in encoding.items() if channel not in (way, f"{way}2")}
    ends = [{"mark": caps, "encoding": {**rest, way: amount(end), **colour}} for end in ("low", "high")]
    return {**chosen, "layer": [rule, *ends]}


def ring(place: Spec) -> Spec:
    """Draw a ring where a codec is as fast as the baseline."""
    paint = {"stroke": INK, "fill": {"value": None}}
    return points(place, paint, size=130, strokeWidth=1.5) | only("datum.kind === 'crossing'")


def ratio_layers(x: Spec, y: Spec, tips: Sequence[Spec] = (), edge: Spec | None = None) -> list[Spec]:
    """Draw bars from 1 to a ratio, with intervals, the A/A band, whose edge may be drawn, and the floor."""
    noise = {"x": {"aggregate": "min", "field": "aa_low", "type": "quantitative"},
             "x2": {"aggregate": "max", "field": "aa_high"}}  # fmt: skip
    words = {"text": {"field": "text"}, "y": y}
    left, right = {"type": "text", "align": "right", "dx": -4}, {"type": "text", "align": "left", "dx": 4}
    return [
        {"mark": {"type": "rect", "color": GREY, "opacity": 0.45, **(edge or {})}, "encoding": noise},
        {"mark": {"type": "rule", "strokeDash": DASHED, "color": GREY}, **only("isValid(datum.floor)"),
         "encoding": {"x": amount("floor")}},
        bars({"y": y, "x": x, "x2": {"datum": 1}, **({"tooltip": tips} if tips else {})}),
        one(),
        {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": {"y": y, **ACROSS}},
        {"mark": left, **only("datum.ratio < 1"), "encoding": {**words, "x": amount("low")}},
        {"mark": right, **only("datum.ratio >= 1"), "encoding": {**words, "x": amount("high")}},
    ]  # fmt: skip


def memory_layers(x: Spec, y: Spec, tips: Sequence[Spec] = ()) -> list[Spec]:
    """Draw what is allocated as bars from 0."""
    return [
        bars({"y": y, "x": x, **({"tooltip": tips} if tips else {})}),
        {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"y": y, "x": x, "text": {"field": "text"}}},
    ]


def haloed(layers: Sequence[Spec]) -> list[Spec]:
    """Put a white edge behind texts, so that a line may cross them."""
    found = []
    for layer in layers:
        if layer["mark"]["type"] == "text":
            found.append({**layer, "mark": {**layer["mark"], "stroke": "white", "strokeWidth": 3}})
        found.append(layer)
    return found
