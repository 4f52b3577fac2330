"""Figures: what is drawn, in one look, where a reader can see it, and the same for the same rows."""

import builtins
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib.text import Annotation, Text

from serlab.errors import MissingPackageError, NotMeasuredError, UnknownNameError
from serlab.report.figures import (
    access_figure,
    crossover_figure,
    lag_figure,
    look_of,
    memory_figure,
    noise_figure,
    pareto_figure,
    ratio_figure,
    save,
    size_figure,
    write_figures,
)
from serlab.report.figures.curves import break_evens, costs_of, crossing, curves_of, steps_of
from serlab.report.figures.look import RATE, apart, darkened, luminance
from serlab.report.figures.points import front_of, points_of
from serlab.report.formatting import scaled
from tests.figurerows import CODECS, COLOURS, SIZES, VIEW, run
from tests.folders import write

DRAW: dict[str, Callable[..., Any]] = {
    "ratios": ratio_figure, "pareto": pareto_figure, "access": access_figure, "memory": memory_figure,
    "crossover": crossover_figure, "lag": lag_figure, "noise": noise_figure,
    "sizes": size_figure,
}  # fmt: skip
LONG = "a_corpus_with_a_very_long_name_that_fits_no_panel_at_all.jsonl.zst:ChatResponse"
every_figure = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


def by_id(figure: Any, name: str) -> list[Any]:
    """Find the artists of an id."""
    return figure.findobj(lambda artist: artist.get_gid() == name)


def words(figure: Any) -> list[Text]:
    """List the texts that are seen."""
    found = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return [text for text in found if text.get_window_extent().width > 0]


def box(text: Text) -> Any:
    """Measure a text, the line from it to its mark aside."""
    return Text.get_window_extent(text)


def overlapping(figure: Any) -> list[tuple[str, str]]:
    """List the pairs of labels, names and titles that overlap."""
    figure.canvas.draw()
    boxes = [(text.get_text(), box(text)) for text in shown(figure)]
    return [(one, other) for (one, a), (other, b) in itertools.combinations(boxes, 2) if meet(a, b)]


def shown(figure: Any) -> list[Text]:
    """List the texts that are seen, without the ticks beyond the ends of an axis, which are made but not drawn."""
    beyond = set()
    for axis in figure.axes:
        for line, places in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
            for tick in (*line.get_major_ticks(), *line.get_minor_ticks()):
                if not min(places) <= tick.get_loc() <= max(places):
                    beyond |= {tick.label1, tick.label2}
    return [text for text in words(figure) if text not in beyond]


def meet(one: Any, other: Any) -> bool:
    """Tell whether two boxes share more than an edge."""
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    return wide > 1 and min(one.y1, other.y1) - max(one.y0, other.y0) > 1


@pytest.mark.slow
@pytest.mark.parametrize("codecs", [CODECS, ("orjson", "flatbuffers")], ids=["many", "two"])
@pytest.mark.parametrize("workloads", [("chat-turn", "embeddings"), (LONG, LONG + "2")], ids=["short", "long"])
@every_figure
def test_no_text_overlaps_another_or_leaves_the_picture(
    draw: Callable[..., Any], workloads: tuple[str, ...], codecs: tuple[str, ...]
) -> None:
    """Measured with the renderer, for many codecs and two, short names and long ones; all is at least 8 points."""
    figure = draw(run(*workloads, codecs=codecs))
    assert overlapping(figure) == []
    page = figure.bbox
    outside = [text.get_text() for text in shown(figure) if not inside(box(text), page)]
    assert outside == []
    assert all(text.get_fontsize() >= 8 for text in words(figure))


def inside(one: Any, page: Any) -> bool:
    """Tell whether a box is in the picture, a pixel aside."""
    return one.x0 >= -1 and one.y0 >= -1 and one.x1 <= page.width + 1 and one.y1 <= page.height + 1


@pytest.mark.slow
@every_figure
def test_equal_rows_give_equal_bytes(draw: Callable[..., Any], tmp_path: Path) -> None:
    """PNG and SVG, without dates, whatever the program's own style is."""
    few = ("orjson", "json", VIEW)
    figure = draw(run(codecs=few))
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "figure.facecolor": "black"}):
        other = draw(run(codecs=few))
        again = [save(other, tmp_path / f"b.{suffix}").read_bytes() for suffix in ("png", "svg")]
    first = [save(figure, tmp_path / f"a.{suffix}").read_bytes() for suffix in ("png", "svg")]
    assert first == again and b"<dc:date>" not in first[1]
    assert first[0].startswith(b"\x89PNG") and first[1].startswith(b"<?xml")


@every_figure
def test_a_name_is_no_formula(draw: Callable[..., Any]) -> None:
    """It is written as it is, also where it is no whole one; nor is anything of matplotlib's own written as one."""
    rows = run(r"$\frac{$", "$w_1$")
    figure = draw(rows.assign(codec=rows["codec"].replace({"msgpack": "$a_b$"})))
    figure.canvas.draw()
    assert not [text.get_text() for text in shown(figure) if text.get_parse_math() or "\\math" in text.get_text()]


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
    assert by_id(figure, "protobuf") and by_id(figure, "orjson") and not by_id(figure, "json")


@every_figure
def test_without_matplotlib_the_command_is_named(draw: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are an extra."""
    import sys

    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "serlab.report.figures.canvas", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingPackageError, match=r"pip install 'serlab\[notebooks\]'"):
        draw(run())


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
    for axis in figure.axes:
        names = [text.get_text() for text in axis.get_yticklabels()]
        assert set(names) == set(CODECS) and names[-1] == "msgspec-msgpack" and names[0] == "json"
        assert len(axis.collections) >= len(CODECS), "an interval each"
        texts = [child.get_text() for child in axis.get_children() if isinstance(child, Annotation)]
        assert len(texts) == len(CODECS) and any(text.endswith("× =") for text in texts)
        hollow = next(patch for patch in axis.patches if patch.get_gid() == VIEW)
        assert hollow.get_facecolor()[:3] == (1, 1, 1)
        assert matplotlib.colors.to_hex(hollow.get_edgecolor()).upper() == COLOURS["flatbuffers"]
    assert len(by_id(figure, "control")) == 2 and len(by_id(figure, "floor")) == 2


def test_the_front_holds_what_none_beats_in_both() -> None:
    """The smallest, then each that is faster than all smaller ones."""
    points = points_of(run(), "chat-turn", ("encode", "decode"), "raw", "orjson")
    assert front_of(points) == ["protobuf", "msgpack", "msgspec-msgpack"]
    figure = pareto_figure(run())
    bold = {text.get_text() for text in by_id(figure, "label") if text.get_fontweight() == "bold"}
    assert bold == {"protobuf", "msgpack", "msgspec-msgpack"}
    assert {text.get_text() for text in by_id(figure, "label")} == set(CODECS)
    (front,) = by_id(figure, "front")
    assert all(x1 == x2 or y1 == y2 for (x1, y1), (x2, y2) in itertools.pairwise(front.get_xydata())), "steps"


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
    assert len(by_id(figure, "break-even")) == 1
    labels = [text.get_text() for text in by_id(figure, "label")]
    assert len(labels) == len(CODECS) and any(text.startswith(f"{VIEW} ≤ 2") for text in labels)


def test_the_crossing_is_where_bytes_and_time_cancel_out() -> None:
    """500 bytes saved and 20 µs lost: 4,000 bits in 20 µs are 200 Mbit/s."""
    costs = costs_of(run(), "chat-turn", ("encode", "decode"), "raw", "orjson")
    assert crossing(costs["protobuf"], costs["orjson"]) == pytest.approx(2e8, rel=0.1)
    assert crossing(costs["json"], costs["orjson"]) != crossing(costs["json"], costs["orjson"]), "never"
    figure = crossover_figure(run())
    (label,) = (text.get_text() for text in by_id(figure, "label") if text.get_text().startswith("protobuf"))
    assert label == f"protobuf < {scaled(crossing(costs['protobuf'], costs['orjson']), RATE)}"
    assert len(by_id(figure, "crossing")) >= 1 and len(by_id(figure, "control")) == 1


def test_memory_has_a_bar_for_each_measure_and_cuts_what_would_hide_the_others() -> None:
    """The figure of a bar that is cut still says how long it is."""
    rows = run()
    huge = (rows["codec"] == "json") & (rows["metric"] == "allocations")
    figure = memory_figure(rows.assign(value=rows["value"].where(~huge, 1e6)))
    assert len(figure.axes) == 6 and len(by_id(figure, "json")) == 6
    assert sum(text.get_text() == "▸ 1,000,000" for text in by_id(figure, "label")) == 2
    for axis in figure.axes:
        assert axis.get_xlim()[0] == 0 and max(patch.get_width() for patch in axis.patches) < axis.get_xlim()[1]


def test_lag_shows_the_middle_the_99th_and_the_maximum() -> None:
    """For each codec and workload, beside the idle loop and the second arm; the least lag is on top."""
    figure = lag_figure(run("small", "large"))
    reach = by_id(figure, "json reach")
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in reach]
    assert ends == [(pytest.approx(1.5e6, rel=0.05), pytest.approx(6e6, rel=0.05))] * 2
    assert len(by_id(figure, "floor")) == len(by_id(figure, "control")) == 2
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert set(names) == set(CODECS) and names[-1] == "msgspec-msgpack" and names[0] == "json"
    assert figure.axes[0].get_title(loc="left") == "decode large\n2 kB, in the coroutine"


def test_sizes_stand_where_their_ratio_is_on_the_same_scale_in_each_panel() -> None:
    """The baseline is the line at 1; a codec that does not carry a workload has no mark there."""
    figure = size_figure(run("chat-turn", "embeddings"), metrics=("raw", "gzip"))
    left, right = figure.axes
    (marks,) = by_id(left, "protobuf")
    assert list(marks.get_xdata()) == [SIZES["protobuf"] / SIZES["orjson"]] * 2
    assert left.get_xlim() == right.get_xlim()
    assert [list(line.get_xdata()) for line in by_id(left, "orjson")] == [[1, 1]]


def test_noise_counts_the_intervals_that_leave_one_out() -> None:
    """A second arm that is 10 % slower is a false claim, and named."""
    rows = run()
    shifted = (rows["codec"] == "orjson (A/A)") & (rows["operation"] == "encode") & (rows["metric"] == "time")
    figure = noise_figure(rows.assign(value=rows["value"].where(~shifted, rows["value"] * 1.1)))
    title = figure.get_suptitle()
    assert title.startswith("1 of 7 A/A intervals leave 1 out (14 %)") and "about 5 %" in title
    assert figure.axes[0].get_yticklabels()[-1].get_text() == "encode chat-turn"


def test_labels_at_line_ends_are_moved_apart_and_no_further() -> None:
    """A lone one stays, a crowd is stacked around its middle."""
    assert apart([0.0, 100.0], 10) == [0.0, 100.0]
    assert apart([50.0, 51.0, 52.0], 10) == pytest.approx([41.0, 51.0, 61.0])
    stacked = apart([0.0, 1.0, 12.0, 13.0, 90.0], 10)
    assert all(high - low >= 10 - 1e-9 for low, high in itertools.pairwise(stacked)) and stacked[-1] == 90.0


def test_a_notebook_shows_a_figure_as_png_without_pyplot() -> None:
    """The figure brings its own picture."""
    assert noise_figure(run())._repr_png_().startswith(b"\x89PNG")


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
    folder = write(tmp_path / "results", list(no_lag.itertuples(index=False, name=None)))
    names = {path.name for path in write_figures(folder)}
    kinds = ("ratios", "pareto", "access", "memory", "crossover")
    stems = {f"{kind}-a-b-c{number}" for kind in kinds for number in ("", "-2")} | {"noise", "sizes"}
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")}
    assert all((folder / "figures" / name).stat().st_size > 1000 for name in names)


def test_a_folder_without_any_rows_for_a_figure_is_an_error(tmp_path: Path) -> None:
    """Nothing is written silently."""
    rows = run()
    parity = rows[rows["operation"] == "parity"]
    folder = write(tmp_path / "results", list(parity.itertuples(index=False, name=None)))
    with pytest.raises(NotMeasuredError, match="holds none of them"):
        list(write_figures(folder))
