"""The figures of the page, which the browser draws: specifications without data, as wide as their place.

Source: the Vega-Lite documentation, versions 5 and 6.
"""

from typing import Any

from serlab.report.figures.charts import (
    COLOUR,
    DASHED,
    OWN,
    REACH,
    Spec,
    Steps,
    amount,
    axis,
    band,
    by_codec,
    floor,
    lines,
    memory_layers,
    only,
    points,
    ratio_layers,
    round_ticks,
)
from serlab.report.figures.look import GREY, RATE, RATIO
from serlab.report.formatting import SIZE, TIME


def _hover(**fields: str) -> list[dict[str, str]]:
    """Say what a tooltip holds: its words → fields."""
    return [{"field": field, "type": "nominal", "title": title.replace("_", " ")} for title, field in fields.items()]


def _whole(layers: list[Spec], **more: Any) -> Spec:
    """Make a specification as wide as its place on the page; without a height the page gives each row some."""
    fit = {"type": "fit-x", "contains": "padding"}
    return {"width": "container", "autosize": fit, "layer": layers, **more}


def _log(channel: str, title: str, steps: Steps, field: str, padding: int = 12) -> Spec:
    """Describe a channel on a logarithmic scale whose ends the browser finds, with pixels of room at both."""
    labels = round_ticks(steps, f"(domain('{channel}')[1] / domain('{channel}')[0])", 8)
    marks = axis(title, labels, grid=False, ticks=False, labelFlush=False)
    return {**amount(field), "scale": {"type": "log", "padding": padding, "nice": False}, "axis": marks}


def _ratios(baseline: str) -> Spec:
    """Draw the ratios to the baseline."""
    x = _log("x", f"time × {baseline}, log scale", RATIO, "ratio", 62)
    return _whole(ratio_layers(x, by_codec(), _hover(codec="codec", ratio="text", interval="interval", time="time")))


def _pareto() -> Spec:
    """Draw size against time, with the front of those that none beats in both."""
    x, y = _log("x", "bytes per message, log scale", SIZE, "bytes", 48), _log("y", "time, log scale", TIME, "ns", 22)
    place = {"x": x, "y": y}
    return _whole(
        [
            {"mark": {"type": "line", "interpolate": "step-after", "strokeDash": DASHED, "color": GREY},
             **only("datum.front"), "encoding": {**place, "order": amount("bytes")}},
            {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": {"x": x, **REACH, "color": COLOUR}},
            points({**place, "tooltip": _hover(codec="codec", size="size", time="time")}, size=80, strokeWidth=2),
            {"mark": {"type": "text", "dy": -11, "fontWeight": "bold"}, **only("datum.front"),
             "encoding": {**place, "text": {"field": "codec"}}},
        ],
        height=320,
    )  # fmt: skip


def _access() -> Spec:
    """Draw the time to open a message and read a share of its fields."""
    x = {"field": "step", "type": "ordinal", "sort": {"field": "place"},
         "axis": axis("share of the fields that are read", "split(datum.label, '_')", labelAngle=0)}  # fmt: skip
    place = {"x": x, "y": _log("y", "time, log scale", TIME, "ns")}
    reach = {"mark": {"type": "rule"}, **OWN, "encoding": {"x": x, **REACH, "color": COLOUR}}
    marks = points({**place, "tooltip": _hover(codec="codec", read="read", time="time")}, size=55)
    return _whole([band({"x": x, **REACH}), floor(place), reach, lines(place), marks | OWN], height=320)


def _memory() -> Spec:
    """Draw what is allocated."""
    x = {**amount("length"), "axis": None, "scale": {"padding": 0, "nice": False}}
    tips = _hover(codec="codec", per_message="text")
    return _whole(memory_layers(x, by_codec(), tips), padding={"left": 5, "top": 5, "bottom": 5, "right": 60})


def _crossover(baseline: str) -> Spec:
    """Draw the time per message against the baseline's, by bandwidth; the page works its rows out."""
    x = _log("x", "bandwidth, log scale", RATE, "bandwidth", 0)
    x["axis"]["values"] = [1e6, 1e8, 1e10]
    place = {"x": x, "y": _log("y", f"codec + wire × {baseline}, log scale", RATIO, "ratio")}
    tips = _hover(codec="codec", bandwidth="rate", ratio="text")
    return _whole(
        [
            {"mark": {"type": "rule"}, "encoding": {"y": {"datum": 1}}},
            {"mark": {"type": "rule", "strokeDash": DASHED, "strokeWidth": 1.5}, **only("datum.now"),
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
    y = _log("y", "lag, log scale", TIME, "ns")
    beside = {"x": x, "xOffset": {"field": "codec", "type": "nominal", "sort": None}}
    tips = _hover(codec="codec", workload="workload", body="size", median="median", p99="time", maximum="maximum")
    return _whole(
        [
            band({"x": x, **REACH}, mark="bar"),
            {"mark": {"type": "tick", "color": GREY, "thickness": 1.5}, **only("datum.kind === 'idle'"),
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
