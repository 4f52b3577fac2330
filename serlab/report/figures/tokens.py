"""A streamed token: bytes against time, for every form that a stream was sent in."""

from typing import TYPE_CHECKING

import pandas as pd

from serlab.report.figures.data import missing
from serlab.report.figures.labels import label_points, segments
from serlab.report.figures.look import BAND, SMALL, Spread, drawn, marks, settle, sheet, size_axis, time_axis
from serlab.report.figures.pareto import Points, front_of, pad
from serlab.report.wire import PREFIX
from serlab.report.wirearms import wire_arms
from serlab.report.wirestreams import Form, stream_forms
from serlab.stats import band

if TYPE_CHECKING:
    from serlab.report.figures.canvas import Picture

STREAM = "stream"


@drawn
def token_figure(rows: pd.DataFrame, workload: str = "") -> "Picture":
    """Draw bytes a token against time a token, a mark for each form of a stream.

    Args:
        rows: the tidy table of a run with the experiment `stream`.
        workload: of the requests; "" stands for the first.

    Returns:
        The figure; names on the front, which none beats in both, are bold; the baseline's A/A interval is a band.

    Raises:
        NotMeasuredError: the run lacks the experiment.
        MissingPackageError: matplotlib is not installed.
    """
    if not rows["operation"].str.startswith(f"{PREFIX}{STREAM}/").any():
        raise missing("bytes and time of a token", "the experiment stream", rows, "serlab wire stream")
    arms = wire_arms(rows, STREAM, workload)
    points = points_of(stream_forms(arms))
    figure, panels = sheet(1, 1, [3.8], width=7.5)
    axis = panels[0][0]
    axis.set_title(arms.workload)
    axis.set_xscale("log")
    axis.set_yscale("log")
    for name, (x, y) in points.items():
        marks(axis, name.partition(" ")[0], [x], [y])
    pad(axis, points)
    size_axis(axis.xaxis)
    time_axis(axis.yaxis)
    axis.tick_params(labelsize=SMALL)
    control, base = arms.control(arms.baseline()), arms.value(arms.baseline())
    low, high = (end * base for end in band(control.low, control.high))
    axis.axhspan(low, high, fc=BAND, lw=0, alpha=0.5, zorder=0, gid="control")
    figure.supxlabel(
        "bytes per token (log scales); over HTTP/1.1 unless it is said; × tokens in a piece\n"
        "95 % intervals of the time; bold: none is smaller and faster; "
        f"grey: A/A interval of {Form.read(arms.baseline())}"
    )
    figure.supylabel("time per token")
    settle(figure)
    obstacles = [box for x, y in points.values() for box in segments(axis, [x, x], [y.low, y.high])]
    label_points(axis, [(name, x, y.value) for name, (x, y) in points.items()], obstacles, front_of(points))
    return figure


def points_of(forms: pd.DataFrame) -> Points:
    """Give each form its bytes and its time."""
    columns = ["wire_bytes", "time_ns", "low_ns", "high_ns"]
    return {
        str(name): (float(size), Spread(*map(float, time)))
        for name, size, *time in forms[columns].itertuples(name=None)
        if size > 0
    }
