"""How figures are drawn: layers of Vega-Lite as plain dicts, for the page and for pictures, and the page's own figures.

Rows bear `colour` and `fill`, so that colours need no scale: those of `serlab.report.figures.look`, to which the page
adds a dark look. In a picture they bear `mark` too.

Source: the Vega-Lite documentation, versions 5 and 6.
"""

from collections.abc import Sequence
from json import dumps
from typing import Any

from serlab.report.figures.look import GREY, RATE, RATIO
from serlab.report.formatting import SIZE, TIME

Spec = dict[str, Any]
Steps = tuple[tuple[float, str], ...]

MINE = "isValid(datum.codec)"
DASHED = [4, 3]
DASHES: Spec = {"condition": {"test": "datum.hollow", "value": [5, 3]}, "value": [1, 0]}
COLOUR: Spec = {"field": "colour", "type": "nominal", "scale": None}
FILL: Spec = {"field": "fill", "type": "nominal", "scale": None}
PAINT: Spec = {"stroke": COLOUR, "fill": FILL}
MARKED: Spec = {**PAINT, "shape": {"field": "mark", "type": "nominal", "scale": None}}


def amount(field: str) -> Spec:
    """Describe a channel of figures."""
    return {"field": field, "type": "quantitative"}


REACH: Spec = {"y": amount("low"), "y2": {"field": "high"}}
"""The two ends of an interval."""
ACROSS: Spec = {"x": amount("low"), "x2": {"field": "high"}}
"""The two ends of one that lies."""


def axis(title: str, labels: str = "", **more: Any) -> Spec:
    """Describe an axis; `labels` writes the ticks."""
    count = {} if "values" in more else {"tickCount": 5}
    return {"title": title or None, **count, **({"labelExpr": labels} if labels else {}), **more}


def log(
    channel: str, title: str, steps: Steps, field: str, padding: int = 12, ends: Sequence[float] = (), **more: Any
) -> Spec:
    """Describe a channel on a logarithmic scale, with ticks in their units at round figures alone.

    Args:
        channel: x or y.
        title: of the axis.
        steps: units of the ticks.
        field: of the rows.
        padding: pixels of room, where the ends are not given.
        ends: of the scale; none: those of the rows.
        more: of the axis.
    """
    fit: Spec = {"domain": list(ends)} if ends else {"padding": padding}
    reach = f"{ends[1] / ends[0]:.6g}" if ends else f"(domain('{channel}')[1] / domain('{channel}')[0])"
    labels = f"{_is_round(reach, 3 if ends else 8)} ? {_unit_text(steps)} : ''"
    marks = axis(title, labels, grid=False, ticks=bool(ends), labelFlush=False, **more)
    return {**amount(field), "scale": {"type": "log", **fit, "nice": False}, "axis": marks}


def _is_round(reach: str, short: int) -> str:
    """Say which ticks bear a text: powers of ten, 2 and 5 times these where there is room, and all on short axes."""
    digit = "round(datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9)))"
    return f"({reach} < {short} || {digit} === 1 || ({reach} < 300 && ({digit} === 2 || {digit} === 5)))"


def _unit_text(steps: Steps) -> str:
    """Write a tick in the largest unit that keeps it at 1 or more."""
    texts = [(factor, f"format(datum.value / {factor}, '~g') + '{unit if unit == '×' else ' ' + unit}'")
             for factor, unit in steps]  # fmt: skip
    cases = "".join(f"datum.value >= {factor} ? {text} : " for factor, text in texts[:-1])
    return f"({cases}{texts[-1][1]})"


def linear(field: str, title: str, ends: Sequence[float], steps: Steps = (), **more: Any) -> Spec:
    """Describe a channel on a straight scale; its ticks bear units."""
    labels = f"datum.value === 0 ? '0' : {_unit_text(steps)}" if steps else ""
    scale = {"domain": list(ends), "nice": False, "zero": False}
    return {
        **amount(field),
        "scale": scale,
        "axis": axis(title, labels, **{"grid": False, "labelFlush": False, **more}),
    }


def named(field: str, names: Sequence[str | Sequence[str]], ends: Sequence[float], **more: Any) -> Spec:
    """Describe a channel whose places 0, 1, … bear names, which may have several lines."""
    fixed = {"grid": False, "values": [*range(len(names))], "labelOverlap": False, "ticks": False}
    marks = {**axis("", f"{dumps([*names])}[datum.value]", **fixed), **more}
    return linear(field, "", ends) | {"axis": marks}


def by_codec(order: Sequence[str] = (), is_named: bool = True) -> Spec:
    """Put each codec on a line of its own, in the order of the rows or in a given one."""
    scale = {"scale": {"domain": [*order]}} if order else {}
    marks = axis("", ticks=False, domain=False) | ({} if is_named else {"labels": False})
    return {"field": "codec", "type": "nominal", "sort": None, **scale, "axis": marks}


def _hover(**fields: str) -> list[dict[str, str]]:
    """Say what a tooltip holds: its words → fields."""
    return [{"field": field, "type": "nominal", "title": title.replace("_", " ")} for title, field in fields.items()]


def only(test: str) -> list[Spec]:
    """Keep the rows that pass a test."""
    return [{"filter": test}]


OWN: Spec = {"transform": only(MINE)}
"""Keeps the rows of codecs."""


def bars(encoding: Spec, **mark: Any) -> Spec:
    """Draw a bar for each codec."""
    return {"mark": {"type": "bar", "strokeWidth": 1.5, "height": 11, **mark}, "encoding": {**encoding, **PAINT}}


def ratio_layers(x: Spec, y: Spec, tips: Sequence[Spec] = (), edge: Spec | None = None) -> list[Spec]:
    """Draw bars from 1 to a ratio, with intervals, the A/A band, whose edge may be drawn, and the floor."""
    band = {"x": {"aggregate": "min", "field": "aa_low", "type": "quantitative"},
            "x2": {"aggregate": "max", "field": "aa_high"}}  # fmt: skip
    words = {"text": {"field": "text"}, "y": y}
    left, right = {"align": "right", "dx": -4}, {"align": "left", "dx": 4}
    return [
        {"mark": {"type": "rect", "color": GREY, "opacity": 0.45, **(edge or {})}, "encoding": band},
        {"mark": {"type": "rule", "strokeDash": DASHED, "color": GREY}, "transform": only("isValid(datum.floor)"),
         "encoding": {"x": amount("floor")}},
        bars({"y": y, "x": x, "x2": {"datum": 1}, **({"tooltip": tips} if tips else {})}),
        {"mark": {"type": "rule"}, "encoding": {"x": {"datum": 1}}},
        {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": {"y": y, **ACROSS}},
        {"mark": {"type": "text", **left}, "transform": only("datum.ratio < 1"),
         "encoding": {**words, "x": amount("low")}},
        {"mark": {"type": "text", **right}, "transform": only("datum.ratio >= 1"),
         "encoding": {**words, "x": amount("high")}},
    ]  # fmt: skip


def memory_layers(x: Spec, y: Spec, tips: Sequence[Spec] = ()) -> list[Spec]:
    """Draw what is allocated as bars from 0."""
    return [
        bars({"y": y, "x": x, **({"tooltip": tips} if tips else {})}),
        {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"y": y, "x": x, "text": {"field": "text"}}},
    ]


def lines(place: Spec, **mark: Any) -> Spec:
    """Draw a line for each codec, dashed where it is a variant."""
    paint = {"detail": {"field": "codec"}, "color": COLOUR, "strokeDash": DASHES}
    return {"mark": {"type": "line", "strokeWidth": 2, **mark}, **OWN,
            "encoding": {**place, **paint}}  # fmt: skip


def points(encoding: Spec, paint: Spec = PAINT, **mark: Any) -> Spec:
    """Draw a mark for each row of a codec."""
    return {"mark": {"type": "point", "opacity": 1, **mark}, "encoding": {**encoding, **paint}}


def band(encoding: Spec, mark: str = "area", **look: Any) -> Spec:
    """Draw the A/A interval in grey."""
    return {"mark": {"type": mark, "color": GREY, "opacity": 0.45, **look}, "transform": only("datum.kind === 'A/A'"),
            "encoding": encoding}  # fmt: skip


EDGE: Spec = {"stroke": GREY, "strokeWidth": 1.5}
"""What shows a band of a picture that is narrower than a pixel."""


def haloed(layers: Sequence[Spec]) -> list[Spec]:
    """Put a white edge behind texts, so that a line may cross them."""
    found = []
    for layer in layers:
        if layer["mark"]["type"] == "text":
            found.append({**layer, "mark": {**layer["mark"], "stroke": "white", "strokeWidth": 3}})
        found.append(layer)
    return found


def reach(encoding: Spec, test: str = MINE, **mark: Any) -> Spec:
    """Draw intervals with their ends marked, in the codecs' colours."""
    way, colour = ("x" if "x2" in encoding else "y"), {} if mark.get("color") else {"color": COLOUR}
    rest = {channel: field for channel, field in encoding.items() if channel not in (way, f"{way}2")}
    caps = {"type": "tick", "size": 6, "thickness": 1.2, "orient": "vertical" if way == "x" else "horizontal", **mark}
    rule = {"mark": {"type": "rule", "strokeWidth": 1.2, **mark}, "encoding": {**encoding, **colour}}
    ends = [{"mark": caps, "encoding": {**rest, way: amount(end), **colour}} for end in ("low", "high")]
    return {"transform": only(test), "layer": [rule, *ends]}


def ring(place: Spec, kind: str) -> Spec:
    """Draw a ring where a codec is as fast as the baseline."""
    mark = {"type": "point", "size": 130, "opacity": 1, "strokeWidth": 1.5}
    paint = {"stroke": {"field": "ink", "type": "nominal", "scale": None}, "fill": {"value": None}}
    return {"mark": mark, "transform": only(f"datum.kind === '{kind}'"), "encoding": {**place, **paint}}


def floor_line(place: Spec, **mark: Any) -> Spec:
    """Draw the floor as a dashed line."""
    dashed = {"type": "line", "strokeDash": DASHED, "color": GREY, **mark}
    return {"mark": dashed, "transform": only("datum.kind === 'floor'"), "encoding": place}


# The figures of the page, which the browser draws: without data, and as wide as their place.


def _whole(layers: list[Spec], **more: Any) -> Spec:
    """Make a specification as wide as its place on the page; without a height the page gives each row some."""
    fit = {"type": "fit-x", "contains": "padding"}
    return {"width": "container", "autosize": fit, "layer": layers, **more}


def _ratios(baseline: str) -> Spec:
    """Draw the ratios to the baseline."""
    x = log("x", f"time × {baseline}, log scale", RATIO, "ratio", 62)
    return _whole(ratio_layers(x, by_codec(), _hover(codec="codec", ratio="text", interval="interval", time="time")))


def _pareto() -> Spec:
    """Draw size against time, with the front of those that none beats in both."""
    x, y = log("x", "bytes per message, log scale", SIZE, "bytes", 48), log("y", "time, log scale", TIME, "ns", 22)
    place = {"x": x, "y": y}
    return _whole(
        [
            {"mark": {"type": "line", "interpolate": "step-after", "strokeDash": DASHED, "color": GREY},
             "transform": only("datum.front"), "encoding": {**place, "order": amount("bytes")}},
            {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": {"x": x, **REACH, "color": COLOUR}},
            points({**place, "tooltip": _hover(codec="codec", size="size", time="time")}, size=80, strokeWidth=2),
            {"mark": {"type": "text", "dy": -11, "fontWeight": "bold"}, "transform": only("datum.front"),
             "encoding": {**place, "text": {"field": "codec"}}},
        ],
        height=320,
    )  # fmt: skip


def _access() -> Spec:
    """Draw the time to open a message and read a share of its fields."""
    x = {"field": "step", "type": "ordinal", "sort": {"field": "place"},
         "axis": axis("share of the fields that are read", "split(datum.label, '_')", labelAngle=0)}  # fmt: skip
    place = {"x": x, "y": log("y", "time, log scale", TIME, "ns")}
    reach = {"mark": {"type": "rule"}, **OWN, "encoding": {"x": x, **REACH, "color": COLOUR}}
    marks = points({**place, "tooltip": _hover(codec="codec", read="read", time="time")}, size=55)
    return _whole([band({"x": x, **REACH}), floor_line(place), reach, lines(place), marks | OWN], height=320)


def _memory() -> Spec:
    """Draw what is allocated."""
    x = {**amount("length"), "axis": None, "scale": {"padding": 0, "nice": False}}
    tips = _hover(codec="codec", per_message="text")
    return _whole(memory_layers(x, by_codec(), tips), padding={"left": 5, "top": 5, "bottom": 5, "right": 60})


def _crossover(baseline: str) -> Spec:
    """Draw the time per message against the baseline's, by bandwidth; the page works its rows out."""
    x = log("x", "bandwidth, log scale", RATE, "bandwidth", 0)
    x["axis"]["values"] = [1e6, 1e8, 1e10]
    place = {"x": x, "y": log("y", f"codec + wire × {baseline}, log scale", RATIO, "ratio")}
    tips = _hover(codec="codec", bandwidth="rate", ratio="text")
    return _whole(
        [
            {"mark": {"type": "rule"}, "encoding": {"y": {"datum": 1}}},
            {"mark": {"type": "rule", "strokeDash": DASHED, "strokeWidth": 1.5}, "transform": only("datum.now"),
             "encoding": {"x": x}},
            lines(place),
            {"mark": {"type": "point", "size": 60, "opacity": 0}, **OWN,
             "encoding": {**place, "tooltip": tips}},
        ],
        height=300,
    )  # fmt: skip


def _lag() -> Spec:
    """Draw the 99th percentile of an event loop's lag with its interval, the median and the maximum, by workload."""
    marks = axis("workload, small bodies first", labelAngle=-40)
    x = {"field": "workload", "type": "nominal", "sort": None, "axis": marks}
    y = log("y", "lag, log scale", TIME, "ns")
    beside = {"x": x, "xOffset": {"field": "codec", "type": "nominal", "sort": None}}
    tips = _hover(codec="codec", workload="workload", body="size", median="median", p99="time", maximum="maximum")
    return _whole(
        [
            band({"x": x, **REACH}, mark="bar"),
            {"mark": {"type": "tick", "color": GREY, "thickness": 1.5}, "transform": only("datum.kind === 'idle'"),
             "encoding": {"x": x, "y": y}},
            {"mark": {"type": "rule", "strokeWidth": 2}, **OWN, "encoding": {**beside, **REACH, "color": COLOUR}},
            points({**beside, "y": y, "tooltip": tips}, size=22) | OWN,
        ],
        height=300,
    )  # fmt: skip


def page_figures(baseline: str) -> list[Spec]:
    """List the figures of the page in their order.

    Args:
        baseline: the codec that the ratios stand on.

    Returns:
        For each its name, its title, how it is read, the table that holds the same figures, and the specification.
    """
    noise = f"grey band: {baseline} against itself (A/A), the noise of the machine"
    return [
        {"name": "crossover", "title": "On which wire does which codec win?", "table": "", "spec": _crossover(baseline),
         "note": "For the boundary and the settings above. Below the line at 1× a codec takes less time than "
                 f"{baseline}; the dashed line is the bandwidth that is set."},
        {"name": "ratios", "title": "How fast is each codec?", "table": "time", "spec": _ratios(baseline),
         "note": f"Time per message against {baseline}: a bar to the left is faster. Lines: 95 % intervals; {noise}; "
                 "=: a tie; dashed: the floor, the least that has to be done."},
        {"name": "pareto", "title": "Which codecs are both small and fast?", "table": "size", "spec": _pareto(),
         "note": "Left is smaller, down is faster. No other codec beats those on the dashed line in both."},
        {"name": "access", "title": "What does it cost to read only a part?", "table": "time", "spec": _access(),
         "note": f"Open the bytes and read a share of the fields. Lines: 95 % intervals; {noise}; dashed: the floor."},
        {"name": "memory", "title": "What is allocated?", "table": "memory", "spec": _memory(),
         "note": "Per message. Counts repeat exactly, so there are no intervals. ▸: the bar is cut off."},
        {"name": "lag", "title": "How long does a body block an event loop?", "table": "lag", "spec": _lag(),
         "note": "40 bodies a second are coded beside a ticker. Mark: 99th percentile of the lag; line: its 95 % "
                 f"interval; {noise}; grey dash: a loop without any coding."},
    ]  # fmt: skip
