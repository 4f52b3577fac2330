"""A call as a bar: what its bytes cost alone, and what coding them adds, by codec, payload and transport."""

from collections.abc import Mapping, Sequence
from json import dumps

import pandas as pd

from serlab.cases import AA, BOUND, Case
from serlab.report.figures import charts
from serlab.report.figures.charts import Row, Scale, Spec, padded
from serlab.report.figures.data import Values, arms, chosen, is_codec, middle, missing, names_of
from serlab.report.figures.labels import label_points
from serlab.report.figures.look import QUIET, RATIO, Spread, look_of, painted, shortened
from serlab.report.figures.picture import Picture, panel, sheet
from serlab.report.formatting import SIZE, TIME, scaled
from serlab.report.tables import baseline_of
from serlab.report.wire_calls import BASELINE, TRANSPORTS, call_table
from serlab.report.wire_reuse import hit_rates
from serlab.report.wire_tables import wire_arms
from serlab.stats import TIE, band, paired_ratio

ROW = 18
"""Pixels of one bar."""
ALONE = "#CCCCCC"
"""The colour of the transport's part, which is no codec's."""
REACH = 1.2
"""Of the longest bar, that an axis shows. Intervals that go on are cut off, or bars were lines."""
CALL_WIDTH = 170
"""Pixels of a panel."""


def call_figure(
    rows: pd.DataFrame, workloads: Sequence[str] | None = None, codecs: Sequence[str] | None = None
) -> Picture:
    """Draw calls one at a time, a line of panels for each workload, a column for each transport.

    In each bar the transport alone is grey and the codec coloured, with the percentage that is codec (`=`: not more
    than the A/A spread) and a 95 % interval of the call; a band is the baseline's A/A interval.
    """
    calls = call_table(rows)
    if workloads is not None and len(calls):
        calls = calls[calls["workload"].isin(list(workloads))]
    if calls.empty:
        raise missing("what a call is made of", "the experiment transport", rows, "serlab wire transport")
    kept = codecs or [name for name in calls["codec"].unique() if not look_of(name).is_variant]
    shown = calls[calls["codec"].isin(list(kept)) | (calls["verdict"] == BASELINE)]
    names = list(workloads or shown.groupby("workload")["call_ns"].median().sort_values(kind="stable").index)
    ways = [name for name in TRANSPORTS if name in set(shown["transport"])]
    panels = []
    for name in names:
        here = shown[shown["workload"] == name]
        # The fastest on top, by the median over transports.
        slow = here.groupby("codec", sort=False)["call_ns"].median().sort_values(ascending=False, kind="stable")
        order = [str(codec) for codec in slow.index[::-1]]
        most = REACH * float(here["call_ns"].max())
        for way in ways:
            heads = (shortened(name, 30) if way == ways[0] else "", TRANSPORTS[way])
            panels.append(_call_panel(here[here["transport"] == way], order, most, *heads))
    note = "time of a call; grey: the same bytes that nobody decodes; coloured: the codec, with its share (=: a tie)"
    return sheet(panels, len(ways), note, "lines: 95 % interval of the call; band: the baseline's call once more (A/A)")


def _call_panel(calls: pd.DataFrame, order: Sequence[str], most: float, *title: str) -> Spec:
    """Draw one transport of one workload; a share stands right of the panel, where it covers no bar."""
    rows: list[Row] = []
    for row in calls.to_dict("records"):
        alone = row["transport_ns"]
        share = f"{100 * row['codec_share']:.0f} %" + (" =" if row["part_verdict"] == TIE else "")
        rows.append(painted(row["codec"], alone=alone, call=alone + max(row["codec_ns"], 0.0), low=row["call_ns_low"],
                            high=min(row["call_ns_high"], most), share=share))  # fmt: skip
        if row["verdict"] == BASELINE:
            low, high = (min(row["call_ns"] * end, most) for end in band(row["aa_low"], row["aa_high"]))
            rows.append({"kind": "A/A", "low": low, "high": high})
    x = charts.fixed("call", Scale(0, most, CALL_WIDTH, is_log=False), TIME, tickCount=3)
    y = charts.by_codec(order, bool(title[0]))
    grey = {"type": "bar", "height": 12, "color": ALONE}
    layers = [
        charts.band(charts.ACROSS, "rect", opacity=0.25),
        {"mark": grey, **charts.OWN, "encoding": {"y": y, "x": charts.amount("alone"), "x2": {"datum": 0}}},
        charts.bars({"y": y, "x": x, "x2": {"field": "alone"}}, height=12, strokeWidth=0.8) | charts.OWN,
        {"mark": {"type": "rule", "color": QUIET}, **charts.OWN, "encoding": {"y": y, **charts.ACROSS}},
        {"mark": {"type": "text", "align": "left"}, **charts.OWN,
         "encoding": {"y": y, "x": {"value": CALL_WIDTH + 6}, "text": {"field": "share"}}},
    ]  # fmt: skip
    return panel(rows, layers, CALL_WIDTH, ROW * len(order), *title)


# Hit rate against a cache's capacity: what a compact codec buys by holding more answers in the same bytes.

EXPERIMENT = "cache"
POINTS = 100
"""Percentage points in a whole."""


def hit_figure(rows: pd.DataFrame, workload: str = "") -> Picture:
    """Draw by how many points each codec's hit rate is above the baseline's, against capacity.

    Codecs whose answers take the same bytes share a line, which the name of one stands for.
    """
    if "hit-rate" not in set(rows["metric"]):
        raise missing("hit rates", "the experiment cache", rows, "serlab wire cache")
    rates = hit_rates(wire_arms(rows, EXPERIMENT, workload)) * POINTS
    names = _distinct_lines(rates)
    gains = rates[list(names)].sub(rates.iloc[:, 0], axis=0)
    widest = int(gains.abs().max(axis=1).to_numpy().argmax())
    capacities = [float(share) * POINTS for share in rates.index]
    across = padded(capacities, 480, 24, 24)
    lowest, highest = float(gains.to_numpy().min()), float(gains.to_numpy().max())
    room = 0.06 * max(highest - lowest, 1.0)
    up = Scale(lowest - 3 * room, highest + room, 230, is_log=False, is_up=True)
    curves = {name: list(zip(capacities, map(float, gains[name]), strict=True)) for name in gains.columns}
    drawn = [painted(name, capacity=at, gain=gain) for name, curve in curves.items() for at, gain in curve]
    texts = [[f"{at:.0f} %", f"{rate:.0f} %"] for at, rate in zip(capacities, rates.iloc[:, 0], strict=True)]
    title = f"capacity, of what all answers take as {rates.columns[0]}; below: requests that hit as {rates.columns[0]}"
    x = charts.fixed("capacity", across, RATIO, title, values=capacities, labelOverlap=False)
    x["axis"]["labelExpr"] = f"{dumps(texts)}[indexof({dumps(capacities)}, datum.value)]"
    place = {"x": x, "y": charts.fixed("gain", up, title="more hits, percentage points")}
    peaks = [(f"{name} {others}".rstrip(), *curves[name][widest]) for name, others in names.items()]
    layers = [
        charts.lines(place, strokeWidth=1.3),
        charts.points(place, charts.MARKED, size=30),
        *label_points(peaks, across, up, list(curves.values())),
    ]
    return sheet([panel(drawn, layers, across.size, up.size)], 1)


def _distinct_lines(rates: pd.DataFrame) -> dict[str, str]:
    """Choose one codec for each line, the baseline first, and say how many others lie under it."""
    found: dict[tuple[float, ...], list[str]] = {}
    for name in rates.columns:
        found.setdefault(tuple(rates[name].round(9)), []).append(str(name))
    return {first: f"(and {len(others)} more)" if others else "" for first, *others in found.values()}


# Lag of an event loop: how long is everything else kept waiting while bodies are coded?
#
# Codecs stand below each other, so that 18 can be told apart; their curves over the body sizes of 13 workloads could
# not be read. A title names the size.

OPERATIONS = ("encode", "decode")
WAYS = {"inline": "in the coroutine", "thread": "in a thread", "pool": "in a pool"}
"""Where a body is coded → how it is written."""
IDLE = Case("idle", BOUND)
RATES = ("rate", "byte-rate")
"""Metrics whose ratio is a body's size."""


Lags = dict[Case, Row]
"""Arm → how late a loop is: `value`, `low`, `high` of the 99th percentile, `median` and `most`; nanoseconds."""


def lag_figure(
    rows: pd.DataFrame,
    workloads: Sequence[str] | None = None,
    operations: Sequence[str] = OPERATIONS,
    codecs: Sequence[str] | None = None,
) -> Picture:
    """Draw how late the loop is, a line of panels for each workload and operation, a column for each way to code.

    The 99th percentile as a mark with a 95 % interval, on a pale bar from the median to the maximum; the baseline's
    second arm (A/A) as a band; a loop without any coding as a dashed line.
    """
    kept, baseline = chosen(rows, workloads, codecs), baseline_of(rows)
    sizes = {name: size_of(kept, name, baseline) for name in workloads or names_of(kept, "workload")}
    names = workloads or sorted(sizes, key=lambda name: (sizes[name], name))
    lines = {
        (name, operation): {way: _lags_of(kept, name, f"{operation}/{way}") for way in WAYS}
        for name in names
        for operation in operations
    }
    lines = {place: ways for place, ways in lines.items() if any(ways.values())}
    if not lines:
        raise missing("the lag figure", "the lag of an event loop", rows, "serlab throughput")
    columns = [way for way in WAYS if any(ways[way] for ways in lines.values())]
    panels = []
    for (name, operation), ways in lines.items():
        for way in columns:
            known = f"{scaled(sizes[name], SIZE)}, " if sizes[name] == sizes[name] else ""
            heads = [f"{operation} {shortened(name, 24)}", known + WAYS[way]] if way == columns[0] else ["", WAYS[way]]
            panels.append(_lag_panel(ways, way, baseline, *heads))
    note = "lag of the event loop (log scale): 99th percentile with 95 % interval; pale bar: median to maximum"
    more = f"band: 99th percentile of {baseline} once more (A/A); dashed: a loop without any coding"
    return sheet(panels, len(columns), note, more)


def _lags_of(rows: pd.DataFrame, workload: str, operation: str) -> Lags:
    """Return the lags of one group of rows."""
    median, p99, most = (arms(rows, workload, operation, f"lag-{name}") for name in ("p50", "p99", "max"))
    return {
        arm: {**spread_of(values)._asdict(), "median": middle(median.get(arm, {})), "most": middle(most.get(arm, {}))}
        for arm, values in p99.items()
    }


def spread_of(values: Values) -> Spread:
    """Return the median over workers with an interval that resamples them.

    A lag stands for itself: what delays a loop does not delay all codecs alike, so a ratio would be less certain.
    """
    found = paired_ratio(values, dict.fromkeys(values, 1.0))
    return Spread(found.value, found.low, found.high)


def size_of(rows: pd.DataFrame, workload: str, baseline: str) -> float:
    """Return the baseline's mean bytes per message, from the size part or the rates; not a number where neither is."""
    here = rows[(rows["workload"] == workload) & (rows["case"] == baseline)]
    raw = here[(here["place"] == "size") & (here["metric"] == "raw")]["value"]
    if len(raw):
        return float(raw.mean())
    rate, volume = (here[here["metric"] == metric].groupby("place")["value"].median() for metric in RATES)
    return float((volume / rate).median())


def _lag_order_of(ways: Mapping[str, Lags]) -> list[Case]:
    """List the codecs, the one with the least lag first, by the first way that each was measured in."""
    late: dict[Case, float] = {}
    for lags in ways.values():
        for arm, lag in lags.items():
            late.setdefault(arm, lag["value"])
    return sorted(filter(is_codec, late), key=lambda codec: -late[codec])[::-1]


def _lag_panel(ways: Mapping[str, Lags], way: str, baseline: str, *title: str) -> Spec:
    """Draw one way of one operation, on the scale of all of its ways."""
    order, lags = _lag_order_of(ways), ways[way]
    rows = [painted(codec, **lags[codec]) for codec in order if codec in lags]
    kinds = {"A/A": Case(baseline, AA), "floor": IDLE}
    rows += [{"kind": kind, **lags[arm]} for kind, arm in kinds.items() if arm in lags]
    ends = [end for found in ways.values() for lag in found.values() for end in lag.values() if end > 0]
    scale = padded(ends, 190, 8, 8)
    x = charts.fixed("value", scale, TIME)
    y = charts.by_codec(order, bool(title[0]))
    whole = {"y": y, "x": charts.amount("median"), "x2": {"field": "most"}, "color": charts.COLOUR}
    pale = {"mark": {"type": "bar", "opacity": 0.3, "height": 11}, **charts.OWN, "encoding": whole}
    layers = [
        charts.band(charts.ACROSS, "rect", opacity=0.3),
        pale,
        charts.floor({"x": x}, "rule", color=QUIET),
        charts.reach({"y": y, **charts.ACROSS}),
        charts.points({"x": x, "y": y}, charts.MARKED, size=35) | charts.OWN,
    ]
    return panel(rows, layers, scale.size, ROW * len(order), *title)
