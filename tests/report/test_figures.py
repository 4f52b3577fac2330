"""Figures: what is drawn, in one look, where a reader can see it, and the same for the same rows."""

import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from serlab.errors import NotMeasuredError, UnknownNameError
from serlab.report.figures import (
    Picture,
    access_figure,
    call_figure,
    crossover_figure,
    hit_figure,
    lag_figure,
    look_of,
    memory_figure,
    noise_figure,
    pareto_figure,
    ratio_figure,
    save,
    size_figure,
    token_figure,
    write_figures,
)
from serlab.report.figures.charts import Scale
from serlab.report.figures.curves import break_evens, costs_of, crossing, curves_of, steps_of
from serlab.report.figures.labels import apart, label_points
from serlab.report.figures.look import RATE, darkened, luminance, shortened
from serlab.report.figures.picture import SMALL, panel, sheet
from serlab.report.figures.points import front_of, points_of, repeats_figure
from serlab.report.formatting import scaled
from serlab.results import load_results
from tests.conftest import ROOT
from tests.support import callrows, wirearguments
from tests.support.figurerows import CODECS, COLOURS, SIZES, VIEW, run
from tests.support.folders import write
from tests.support.rows import renamed, rows_in
from tests.support.scenes import codecs_of, outside, overlapping, shown, texts_of, title_of, words

DRAW: dict[str, Callable[..., Picture]] = {
    "ratios": ratio_figure, "pareto": pareto_figure, "access": access_figure, "memory": memory_figure,
    "crossover": crossover_figure, "lag": lag_figure, "noise": noise_figure,
    "sizes": size_figure,
}  # fmt: skip
LONG = "a_corpus_with_a_very_long_name_that_fits_no_panel_at_all.jsonl.zst:ChatResponse"
STORED = ROOT / "notebooks/stored"
REPEATS = pd.DataFrame({"tool": ["one"] * 2 + ["two"] * 2, "ratio": [1.1, 1.2, 0.9, 2.0], "low": [1.0, 1.1, -1.0, 1.9],
                        "high": [1.2, 1.3, 2.0, 2.1], "seconds": [1.0] * 4})  # fmt: skip
every_figure = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


@cache
def made(name: str) -> Picture:
    """Draw one of the twelve from rows whose figures are known."""
    if name in DRAW:
        return DRAW[name](run("chat-turn", "embeddings"))
    calls = {"vectors": 9.0, "chat-turn": 3.0}
    rows = [callrows.calls(workload, orjson=ms, json=2 * ms, protobuf=ms / 2) for workload, ms in calls.items()]
    return {
        "calls": lambda: call_figure(callrows.table(*rows)),
        "tokens": lambda: token_figure(wirearguments.run()),
        "hits": lambda: hit_figure(wirearguments.run()),
        "repeats": lambda: repeats_figure(REPEATS),
    }[name]()


@cache
def published(name: str) -> Picture:
    """Draw one of the twelve from the published runs."""
    if name in ("calls", "tokens", "hits"):
        wire = load_results(STORED / "wire")
        return {"calls": call_figure, "tokens": token_figure, "hits": hit_figure}[name](wire)
    if name == "repeats":
        return repeats_figure(pd.read_csv(STORED / "noise.csv"))
    rows = load_results(STORED)
    whole = name in ("noise", "sizes")
    return DRAW[name](rows) if whole else DRAW[name](rows, ["agent-request", "embeddings"])


TWELVE = (*DRAW, "calls", "tokens", "hits", "repeats")
both_runs = pytest.mark.parametrize("given", [made, published])
every_one = pytest.mark.parametrize("name", TWELVE)


@pytest.mark.slow
@both_runs
@every_one
def test_no_text_overlaps_another_or_leaves_the_picture(name: str, given: Callable[[str], Picture]) -> None:
    """On a run whose figures are known, and on the published ones; none is smaller than 8 points of a page."""
    figure = given(name)
    assert overlapping(figure) == [] and outside(figure) == []
    assert all(text.size >= SMALL for text in texts_of(figure))


@pytest.mark.slow
@pytest.mark.parametrize("codecs", [CODECS, ("orjson", "flatbuffers")], ids=["many", "two"])
@every_figure
def test_long_names_and_few_codecs_leave_room(draw: Callable[..., Picture], codecs: tuple[str, ...]) -> None:
    """What is too long is cut in its middle, so that its end still tells two apart."""
    figure = draw(run(LONG, LONG + "2", codecs=codecs))
    assert overlapping(figure) == [] and outside(figure) == []
    assert any("…" in word and word.endswith("Response2") for word in words(figure))


def test_overlaps_are_found() -> None:
    """Two names on one spot are one; what a label is for does not come to that."""
    spot = [{"x": 1.0, "text": text} for text in ("one", "two")]
    channel = {"field": "x", "type": "quantitative", "axis": None}
    layer = {"mark": "text", "encoding": {"x": channel, "text": {"field": "text"}}}
    assert overlapping(sheet([panel(spot, [layer], 100, 20, "t")], 1)) == [("one", "two")]
    scale, up = Scale(1, 10, 200), Scale(1, 10, 100, is_up=True)
    points = [(name, 3.0, 3.0) for name in CODECS]
    place = {"x": {"scale": {"type": "log", "domain": scale[:2]}}, "y": {"scale": {"type": "log", "domain": up[:2]}}}
    marks = {
        "mark": "point",
        "encoding": {axis: {"datum": 3.0, "type": "quantitative", **place[axis]} for axis in place},
    }
    figure = sheet([panel([{}], [marks, *label_points(points, scale, up)], 200, 100, "t")], 1)
    assert overlapping(figure) == [] and set(CODECS) <= words(figure)


@pytest.mark.slow
@both_runs
@every_one
def test_equal_rows_give_equal_bytes(name: str, given: Callable[[str], Picture], tmp_path: Path) -> None:
    """PNG and SVG; the second is drawn from rows that were read again."""
    first = [save(given(name), tmp_path / f"a.{suffix}").read_bytes() for suffix in ("png", "svg")]
    second = [save(given.__wrapped__(name), tmp_path / f"b.{suffix}").read_bytes() for suffix in ("png", "svg")]  # type: ignore[attr-defined]
    assert first == second
    assert first[0].startswith(b"\x89PNG") and first[1].startswith(b"<svg")


NAMES = (r"$\frac{$", "<b>&amp;", "שלום\u202e", "'); alert(1)//", "a" * 300)


@every_figure
def test_a_name_is_text(draw: Callable[..., Picture]) -> None:
    """No formula, no element, no expression; what would turn the text around is written as its escape."""
    rows = run(*NAMES[:2])
    odd = dict(zip(("msgpack", "json", "protobuf"), NAMES[2:], strict=True))
    figure = draw(renamed(rows.assign(case=rows["case"].replace(odd))))
    svg = figure.data("svg").decode()
    assert "<b>" not in svg and "\u202e" not in svg and figure.data("png")
    assert any(NAMES[0] in word for word in words(figure)) and any(NAMES[1] in word for word in words(figure))
    assert overlapping(figure) == [] and outside(figure) == []


@every_figure
def test_the_baseline_alone_and_a_run_without_noise_and_floors_are_drawn(draw: Callable[..., Picture]) -> None:
    """A bar without a band says so; only the A/A ratios need the A/A arm."""
    rows = run(codecs=("orjson", "json"))
    bare = rows[rows["role"] == "measured"]
    for given in (run(codecs=("orjson",)), *([] if draw is noise_figure else [bare])):
        figure = draw(given)
        assert overlapping(figure) == [] and outside(figure) == [] and figure.data("png")


@every_figure
def test_a_run_without_the_rows_is_refused_and_told_how_to_get_them(draw: Callable[..., Any]) -> None:
    """No empty picture."""
    rows = run()
    with pytest.raises(NotMeasuredError, match=r"expected .* but the run holds parity; measure it with `serlab \w+"):
        draw(rows[rows["operation"] == "parity"])
    with pytest.raises(UnknownNameError, match="did you mean 'chat-turn'"):
        draw(rows, ["chat-tun"])


@pytest.mark.parametrize("name", ["ratios", "pareto", "access", "memory", "crossover", "lag", "sizes"])
def test_a_codec_that_is_not_there_is_named(name: str) -> None:
    """With the nearest that is; and a choice leaves the baseline in."""
    with pytest.raises(UnknownNameError, match="did you mean 'protobuf'"):
        DRAW[name](run(), codecs=["protobuff"])
    figure = DRAW[name](run(), codecs=["protobuf"])
    # The baseline of the sizes is the line at 1.
    assert set(codecs_of(figure)) == {"protobuf", "orjson"} - ({"orjson"} if name == "sizes" else set())


def test_a_variant_has_its_familys_colour_and_a_hollow_mark() -> None:
    """And another mark; a codec from elsewhere has a colour of its own."""
    assert look_of("flatbuffers").fill == look_of("flatbuffers-official").colour == COLOURS["flatbuffers"]
    assert look_of("flatbuffers-official").fill == "white" != look_of("msgspec-json").fill
    assert look_of("flatbuffers-official").mark != look_of("flatbuffers-unverified").mark
    assert look_of("novel").colour not in COLOURS.values() and not look_of("novel").is_variant


@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
def test_coloured_text_can_be_read_on_white(colour: str) -> None:
    """Its contrast is at least 4.5."""
    parts = [int(darkened(colour)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    assert 1.05 / (luminance(parts) + 0.05) >= 4.45


def test_every_codec_has_a_bar_an_interval_and_its_figure() -> None:
    """In its colour, the fastest on top; a tie is marked, the A/A band and the floor are drawn."""
    figure = ratio_figure(run())
    for place in (0, 1):
        names = codecs_of(figure, place)
        assert set(names) == set(CODECS) and names[0] == "msgspec-msgpack" and names[-1] == "json"
        rows = shown(figure, place)
        assert all(row["low"] <= row["ratio"] <= row["high"] for row in rows)
        assert {row["text"] for row in rows} <= words(figure) and any(row["text"].endswith("× =") for row in rows)
        (hollow,) = shown(figure, place, codec=VIEW)
        assert (hollow["fill"], hollow["colour"]) == ("white", COLOURS["flatbuffers"])
        assert all(row["aa_low"] < 1 < row["aa_high"] for row in rows)
    assert all(row["floor"] == pytest.approx(0.2, rel=0.1) for row in shown(figure, 1))
    assert any(word.startswith("◄ floor 0.0") for word in words(figure)), "too far for the axis of the first"


def test_the_front_holds_what_none_beats_in_both() -> None:
    """The smallest, then each that is faster than all smaller ones."""
    points = points_of(run(), "chat-turn", ("encode", "decode"), "raw", "orjson")
    assert front_of(points) == ["protobuf", "msgpack", "msgspec-msgpack"]
    figure = pareto_figure(run())
    bold = {text.text for text in texts_of(figure) if text.is_bold}
    assert bold == {"protobuf", "msgpack", "msgspec-msgpack", "chat-turn"}
    assert set(CODECS) <= words(figure)
    front = [(row["bytes"], row["value"]) for row in shown(figure, kind="front")]
    assert all(x1 == x2 or y1 == y2 for (x1, y1), (x2, y2) in itertools.pairwise(front)), "steps"


def test_the_front_is_of_the_size_that_was_asked_for() -> None:
    """Raw, gzip or zstd."""
    with pytest.raises(NotMeasuredError, match=r"sizes \(brotli\)"):
        pareto_figure(run(), size="brotli")


def test_a_view_breaks_even_where_its_line_crosses_the_baselines() -> None:
    """0.1 + 3.6 × share is 1 at a quarter of the fields."""
    rows = run()
    curves = curves_of(rows, "chat-turn", "orjson")
    (even,) = break_evens(curves, steps_of(rows, "chat-turn"), "orjson")
    assert even.codec == VIEW and even.share == pytest.approx(0.25, abs=0.02)
    figure = access_figure(rows)
    assert len(shown(figure, kind="crossing")) == 1
    labels = words(figure)
    assert set(CODECS) - {VIEW} < labels and any(text.startswith(f"{VIEW} ≤ 2") for text in labels)


def test_the_crossing_is_where_bytes_and_time_cancel_out() -> None:
    """500 bytes saved and 20 µs lost: 4,000 bits in 20 µs are 200 Mbit/s."""
    costs = costs_of(run(), "chat-turn", ("encode", "decode"), "raw", "orjson")
    assert crossing(costs["protobuf"], costs["orjson"]) == pytest.approx(2e8, rel=0.1)
    assert crossing(costs["json"], costs["orjson"]) != crossing(costs["json"], costs["orjson"]), "never"
    figure = crossover_figure(run())
    assert f"protobuf < {scaled(crossing(costs['protobuf'], costs['orjson']), RATE)}" in words(figure)
    assert len(shown(figure, 1, kind="crossing")) >= 1 and shown(figure, 1, kind="A/A")


def test_memory_has_a_bar_for_each_measure_and_cuts_what_would_hide_the_others() -> None:
    """The figure of a bar that is cut still says how long it is."""
    rows = run()
    huge = (rows["codec"] == "json") & (rows["metric"] == "allocations")
    figure = memory_figure(rows.assign(value=rows["value"].where(~huge, 1e6)))
    assert all(len(shown(figure, place, codec="json")) == 1 for place in range(6))
    assert sum(text.text == "► 1,000,000" for text in texts_of(figure)) == 2
    for place in range(6):
        low, high = figure.spec["concat"][place]["layer"][0]["encoding"]["x"]["scale"]["domain"]
        assert low == 0 and max(row["length"] for row in shown(figure, place)) < high


def test_lag_shows_the_middle_the_99th_and_the_maximum() -> None:
    """For each codec and workload, beside the idle loop and the second arm; the least lag is on top."""
    figure = lag_figure(run("small", "large"))
    ends = [(row["median"], row["most"]) for place in (0, 1) for row in shown(figure, place, codec="json")]
    assert ends == [(pytest.approx(1.5e6, rel=0.05), pytest.approx(6e6, rel=0.05))] * 2
    assert all(shown(figure, place, kind=kind) for place in (0, 1) for kind in ("floor", "A/A"))
    names = codecs_of(figure)
    assert set(names) == set(CODECS) and names[0] == "msgspec-msgpack" and names[-1] == "json"
    assert title_of(figure) == ["decode large", "2.00 kB, in the coroutine"]


def test_sizes_stand_where_their_ratio_is_on_the_same_scale_in_each_panel() -> None:
    """The baseline is the line at 1; a codec that does not carry a workload has no mark there."""
    figure = size_figure(run("chat-turn", "embeddings"), metrics=("raw", "gzip"))
    assert [row["ratio"] for row in shown(figure, codec="protobuf")] == [SIZES["protobuf"] / SIZES["orjson"]] * 2
    left, right = (one["layer"][1]["encoding"]["x"]["scale"]["domain"] for one in figure.spec["concat"])
    assert left == right and not shown(figure, codec="orjson")
    assert {"raw", "after gzip", "embeddings", "chat-turn", *CODECS} - {"orjson"} <= words(figure)


def test_noise_counts_the_intervals_that_leave_one_out() -> None:
    """A second arm that is 10 % slower is a false claim, and named."""
    rows = run()
    shifted = (rows["case"] == "orjson (A/A)") & (rows["operation"] == "encode") & (rows["metric"] == "time")
    figure = noise_figure(rows.assign(value=rows["value"].where(~shifted, rows["value"] * 1.1)))
    assert title_of(figure) == ["1 of 7 A/A intervals leave 1 out (14 %)", "about 5 % are to be expected"]
    assert codecs_of(figure)[-1] == "encode chat-turn"


def test_labels_at_line_ends_are_moved_apart_and_no_further() -> None:
    """A lone one stays, a crowd is stacked around its middle."""
    assert apart([0.0, 100.0], 10) == [0.0, 100.0]
    assert apart([50.0, 51.0, 52.0], 10) == pytest.approx([41.0, 51.0, 61.0])
    stacked = apart([0.0, 1.0, 12.0, 13.0, 90.0], 10)
    assert all(high - low >= 10 - 1e-9 for low, high in itertools.pairwise(stacked)) and stacked[-1] == 90.0


def test_a_notebook_shows_a_figure_as_png() -> None:
    """The figure brings its own picture, which needs no script, and the same words each time."""
    shown = noise_figure(run())._repr_mimebundle_(include=None, exclude=None)
    assert shown["image/png"].startswith(b"\x89PNG") and shown["text/plain"] == "<Picture of 1 panel>"


def test_the_middle_of_a_long_name_is_cut() -> None:
    """Never its end."""
    assert shortened("chat-turn") == "chat-turn" and len(shortened(LONG)) == 40
    assert shortened(LONG, 20) == "a_corp…:ChatResponse"


def test_only_png_and_svg_are_written(tmp_path: Path) -> None:
    """Another ending is refused before anything is written."""
    with pytest.raises(UnknownNameError, match="no format of figures named 'jpg'"):
        save(noise_figure(run()), tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_gets_the_figures_that_it_has_rows_for(tmp_path: Path) -> None:
    """One file for each workload and figure, in both formats, with names that every system takes."""
    rows = run("a/b:c", "a b:c", codecs=("orjson", "json"))
    no_lag = rows[~rows["metric"].str.startswith("lag")]
    folder = write(tmp_path / "results", rows_in(no_lag))
    names = {path.name for path in write_figures(folder)}
    kinds = ("ratios", "pareto", "access", "memory", "crossover")
    stems = {f"{kind}-a-b-c{number}" for kind in kinds for number in ("", "-2")} | {"noise", "sizes"}
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")}
    assert all((folder / "figures" / name).stat().st_size > 1000 for name in names)


def test_a_folder_without_any_rows_for_a_figure_is_an_error(tmp_path: Path) -> None:
    """Nothing is written silently."""
    rows = run()
    parity = rows[rows["operation"] == "parity"]
    folder = write(tmp_path / "results", rows_in(parity))
    with pytest.raises(NotMeasuredError, match="holds none of them"):
        list(write_figures(folder))
