"""How the page's figures are drawn: Vega-Lite specifications as plain dicts.

Rows bear `colour` and `fill`, which the page adds for the light or the dark look, so that colours need no scale and are
those of `serlab.report.figures`.

Source: the Vega-Lite documentation, versions 5 and 6.
"""

from typing import Any

from serlab.report import RATE, SIZE, TIME

Spec = dict[str, Any]
Steps = tuple[tuple[float, str], ...]

GREY = "#8A8A8A"
RATIO: Steps = ((1.0, "×"),)
DASHES = {"condition": {"test": "datum.hollow", "value": [5, 3]}, "value": [1, 0]}
COLOUR = {"field": "colour", "type": "nominal", "scale": None}
FILL = {"field": "fill", "type": "nominal", "scale": None}
PAINT = {"stroke": COLOUR, "fill": FILL}
REACH = {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}
"""The two ends of an interval."""


def axis(title: str, labels: str = "", **more: Any) -> dict[str, Any]:
    """Describe an axis; `labels` writes the ticks."""
    return {"title": title or None, "tickCount": 5, **({"labelExpr": labels} if labels else {}), **more}


def log(channel: str, title: str, steps: Steps, field: str, padding: int = 12) -> dict[str, Any]:
    """Describe a channel on a logarithmic scale, with ticks in their units at round figures alone."""
    scale = {"type": "log", "padding": padding, "nice": False}
    marks = axis(title, f"{_is_round(channel)} ? {_unit_text(steps)} : ''", grid=False, ticks=False, labelFlush=False)
    return {"field": field, "type": "quantitative", "scale": scale, "axis": marks}


def _is_round(channel: str) -> str:
    """Say which ticks bear a text: powers of ten, 2 and 5 times these where there is room, and all on short axes."""
    reach = f"(domain('{channel}')[1] / domain('{channel}')[0])"
    digit = "round(datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9)))"
    return f"({reach} < 8 || {digit} === 1 || ({reach} < 300 && ({digit} === 2 || {digit} === 5)))"


def _unit_text(steps: Steps) -> str:
    """Write a tick in the largest unit that keeps it at 1 or more."""
    texts = [(factor, f"format(datum.value / {factor}, '~g') + '{unit if unit == '×' else ' ' + unit}'")
             for factor, unit in steps]  # fmt: skip
    cases = "".join(f"datum.value >= {factor} ? {text} : " for factor, text in texts[:-1])
    return f"({cases}{texts[-1][1]})"


def _amount(field: str) -> dict[str, str]:
    """Describe a channel of figures."""
    return {"field": field, "type": "quantitative"}


def _hover(**fields: str) -> list[dict[str, str]]:
    """Say what a tooltip holds: its words → fields."""
    return [{"field": field, "type": "nominal", "title": title.replace("_", " ")} for title, field in fields.items()]


def _whole(layers: list[Spec], **more: Any) -> Spec:
    """Make a specification as wide as its place on the page; without a height the page gives each row some."""
    fit = {"type": "fit-x", "contains": "padding"}
    return {"width": "container", "autosize": fit, "layer": layers, **more}


def _only(test: str) -> list[dict[str, str]]:
    """Keep the rows that pass a test."""
    return [{"filter": test}]


def _by_codec() -> dict[str, Any]:
    """Put each codec on a line of its own, in the order of the rows."""
    return {"field": "codec", "type": "nominal", "sort": None, "axis": axis("", ticks=False, domain=False)}


def ratios(baseline: str) -> Spec:
    """Draw bars from 1 to a ratio, with intervals, the A/A band and the floor."""
    x = log("x", f"time × {baseline}, log scale", RATIO, "ratio", 62)
    ends = {"y": _by_codec(), "x": _amount("low"), "x2": {"field": "high"}}
    band = {"x": {"aggregate": "min", "field": "aa_low", "type": "quantitative"},
            "x2": {"aggregate": "max", "field": "aa_high"}}  # fmt: skip
    tips = _hover(codec="codec", ratio="text", interval="interval", time="time")
    words = {"text": {"field": "text"}, "y": _by_codec()}
    left, right = {"align": "right", "dx": -4}, {"align": "left", "dx": 4}
    return _whole(
        [
            {"mark": {"type": "rect", "color": GREY, "opacity": 0.45}, "encoding": band},
            {"mark": {"type": "rule", "strokeDash": [4, 3], "color": GREY}, "transform": _only("isValid(datum.floor)"),
             "encoding": {"x": _amount("floor")}},
            {"mark": {"type": "bar", "strokeWidth": 1.5, "height": 11},
             "encoding": {"y": _by_codec(), "x": x, "x2": {"datum": 1}, **PAINT, "tooltip": tips}},
            {"mark": {"type": "rule"}, "encoding": {"x": {"datum": 1}}},
            {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": ends},
            {"mark": {"type": "text", **left}, "transform": _only("datum.ratio < 1"),
             "encoding": {**words, "x": _amount("low")}},
            {"mark": {"type": "text", **right}, "transform": _only("datum.ratio >= 1"),
             "encoding": {**words, "x": _amount("high")}},
        ],
    )  # fmt: skip


def pareto() -> Spec:
    """Draw size against time, with the front of those that none beats in both."""
    x, y = log("x", "bytes per message, log scale", SIZE, "bytes", 48), log("y", "time, log scale", TIME, "ns", 22)
    tips = _hover(codec="codec", size="size", time="time")
    place = {"x": x, "y": y}
    return _whole(
        [
            {"mark": {"type": "line", "interpolate": "step-after", "strokeDash": [4, 3], "color": GREY},
             "transform": _only("datum.front"), "encoding": {**place, "order": _amount("bytes")}},
            {"mark": {"type": "rule", "strokeWidth": 1.5},
             "encoding": {"x": x, **REACH, "color": COLOUR}},
            {"mark": {"type": "point", "size": 80, "strokeWidth": 2, "opacity": 1},
             "encoding": {**place, **PAINT, "tooltip": tips}},
            {"mark": {"type": "text", "dy": -11, "fontWeight": "bold"}, "transform": _only("datum.front"),
             "encoding": {**place, "text": {"field": "codec"}}},
        ],
        height=320,
    )  # fmt: skip


def _curves(x: dict[str, Any], y: dict[str, Any], tips: list[dict[str, str]]) -> list[Spec]:
    """Draw a line with marks for each codec."""
    place = {"x": x, "y": y}
    return [
        {"mark": {"type": "line", "strokeWidth": 2}, "transform": _only("isValid(datum.codec)"),
         "encoding": {**place, "detail": {"field": "codec"}, "color": COLOUR, "strokeDash": DASHES}},
        {"mark": {"type": "point", "size": 55, "opacity": 1}, "transform": _only("isValid(datum.codec)"),
         "encoding": {**place, **PAINT, "tooltip": tips}},
    ]  # fmt: skip


def access() -> Spec:
    """Draw the time to open a message and read a share of its fields."""
    x = {"field": "step", "type": "ordinal", "sort": {"field": "place"},
         "axis": axis("share of the fields that are read", "split(datum.label, '_')", labelAngle=0)}  # fmt: skip
    y = log("y", "time, log scale", TIME, "ns")
    band = {"mark": {"type": "area", "color": GREY, "opacity": 0.45}, "transform": _only("datum.kind === 'A/A'"),
            "encoding": {"x": x, **REACH}}  # fmt: skip
    dashed = {"type": "line", "strokeDash": [4, 3], "color": GREY}
    floor = {"mark": dashed, "transform": _only("datum.kind === 'floor'"),
             "encoding": {"x": x, "y": y}}  # fmt: skip
    reach = {"mark": {"type": "rule"}, "transform": _only("isValid(datum.codec)"),
             "encoding": {"x": x, **REACH, "color": COLOUR}}  # fmt: skip
    return _whole([band, floor, reach, *_curves(x, y, _hover(codec="codec", read="read", time="time"))], height=320)


def memory() -> Spec:
    """Draw what is allocated as bars from 0."""
    x = {"field": "length", "type": "quantitative", "axis": None, "scale": {"padding": 0, "nice": False}}
    tips = _hover(codec="codec", per_message="text")
    return _whole(
        [
            {"mark": {"type": "bar", "strokeWidth": 1.5, "height": 11},
             "encoding": {"y": _by_codec(), "x": x, **PAINT, "tooltip": tips}},
            {"mark": {"type": "text", "align": "left", "dx": 4},
             "encoding": {"y": _by_codec(), "x": x, "text": {"field": "text"}}},
        ],
        padding={"left": 5, "top": 5, "bottom": 5, "right": 60},
    )  # fmt: skip


def crossover(baseline: str) -> Spec:
    """Draw the time per message against the baseline's, by bandwidth; the page works its rows out."""
    x = log("x", "bandwidth, log scale", RATE, "bandwidth", 0)
    x["axis"]["values"] = [1e6, 1e8, 1e10]
    y = log("y", f"codec + wire × {baseline}, log scale", RATIO, "ratio")
    tips = _hover(codec="codec", bandwidth="rate", ratio="text")
    place = {"x": x, "y": y}
    return _whole(
        [
            {"mark": {"type": "rule"}, "encoding": {"y": {"datum": 1}}},
            {"mark": {"type": "rule", "strokeDash": [4, 3], "strokeWidth": 1.5}, "transform": _only("datum.now"),
             "encoding": {"x": x}},
            {"mark": {"type": "line", "strokeWidth": 2}, "transform": _only("isValid(datum.codec)"),
             "encoding": {**place, "detail": {"field": "codec"}, "color": COLOUR, "strokeDash": DASHES}},
            {"mark": {"type": "point", "size": 60, "opacity": 0}, "transform": _only("isValid(datum.codec)"),
             "encoding": {**place, "tooltip": tips}},
        ],
        height=300,
    )  # fmt: skip


def lag() -> Spec:
    """Draw the 99th percentile of an event loop's lag with its interval, the median and the maximum, by workload."""
    x = {
        "field": "workload",
        "type": "nominal",
        "sort": None,
        "axis": axis("workload, small bodies first", labelAngle=-40),
    }
    y = log("y", "lag, log scale", TIME, "ns")
    beside = {"x": x, "xOffset": {"field": "codec", "type": "nominal", "sort": None}}
    tips = _hover(codec="codec", workload="workload", body="size", median="median", p99="time", maximum="maximum")
    mine = _only("isValid(datum.codec)")
    return _whole(
        [
            {"mark": {"type": "bar", "color": GREY, "opacity": 0.45}, "transform": _only("datum.kind === 'A/A'"),
             "encoding": {"x": x, **REACH}},
            {"mark": {"type": "tick", "color": GREY, "thickness": 1.5}, "transform": _only("datum.kind === 'idle'"),
             "encoding": {"x": x, "y": y}},
            {"mark": {"type": "rule", "strokeWidth": 2}, "transform": mine,
             "encoding": {**beside, **REACH, "color": COLOUR}},
            {"mark": {"type": "point", "size": 22, "opacity": 1}, "transform": mine,
             "encoding": {**beside, "y": y, **PAINT, "tooltip": tips}},
        ],
        height=300,
    )  # fmt: skip


def figures(baseline: str) -> list[dict[str, Any]]:
    """List the figures of the page in their order.

    Args:
        baseline: the codec that the ratios stand on.

    Returns:
        For each its name, its title, how it is read, the table that holds the same figures, and the specification.
    """
    band = f"grey band: {baseline} against itself (A/A), the noise of the machine"
    return [
        {"name": "crossover", "title": "On which wire does which codec win?", "table": "", "spec": crossover(baseline),
         "note": "For the boundary and the settings above. Below the line at 1× a codec takes less time than "
                 f"{baseline}; the dashed line is the bandwidth that is set."},
        {"name": "ratios", "title": "How fast is each codec?", "table": "time", "spec": ratios(baseline),
         "note": f"Time per message against {baseline}: a bar to the left is faster. Lines: 95 % intervals; {band}; "
                 "=: a tie; dashed: the floor, the least that has to be done."},
        {"name": "pareto", "title": "Which codecs are both small and fast?", "table": "size", "spec": pareto(),
         "note": "Left is smaller, down is faster. No other codec beats those on the dashed line in both."},
        {"name": "access", "title": "What does it cost to read only a part?", "table": "time", "spec": access(),
         "note": f"Open the bytes and read a share of the fields. Lines: 95 % intervals; {band}; dashed: the floor."},
        {"name": "memory", "title": "What is allocated?", "table": "memory", "spec": memory(),
         "note": "Per message. Counts repeat exactly, so there are no intervals. ▸: the bar is cut off."},
        {"name": "lag", "title": "How long does a body block an event loop?", "table": "lag", "spec": lag(),
         "note": "40 bodies a second are coded beside a ticker. Mark: 99th percentile of the lag; line: its 95 % "
                 f"interval; {band}; grey dash: a loop without any coding."},
    ]  # fmt: skip
