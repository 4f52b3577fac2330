"""The table, the blocks and the page of experiments on the wire, on rows whose figures are known."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from serlab.measure.wire import EXPERIMENTS, conditions
from serlab.page import write_page
from serlab.report import build_tables, terminal_tables, wire_summary, write_tables
from serlab.report.wire_summary import blocks, digests
from serlab.report.wire_tables import natural, wire_table
from serlab.results import load_results
from serlab.rows import frame, write_table
from tests.support import wirerows
from tests.support.folders import ENVIRONMENT
from tests.support.pagerows import write

INDEX = ["experiment", "conditions", "metric", "codec"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Build the table once."""
    return wire_table(wirerows.run()).set_index(INDEX)


def test_difference_inside_the_a_a_spread_is_a_tie(table: pd.DataFrame) -> None:
    """3 % slower where the baseline strays by 5 % from itself; twice the time is no tie."""
    place = ("transport", "http, inflight=1", "latency")
    assert table.loc[(*place, "protobuf"), "ratio_low"] > 1
    assert table.loc[(*place, "protobuf"), "verdict"] == "tie"
    assert table.loc[(*place, "json"), "verdict"] == "slower"
    assert table.loc[(*place, "orjson"), "verdict"] == "baseline"
    assert table.loc[(*place, "orjson (A/A)"), "verdict"] == "A/A"
    assert table.loc[(*place, "floor: bytes of json"), "verdict"] == "floor"


def test_codecs_share_is_what_its_bytes_alone_do_not_take(table: pd.DataFrame) -> None:
    """600 of 800 µs are the transport's, so a quarter is the codec's; the client's processor stands beside it."""
    row = table.loc[("transport", "http, inflight=1", "latency", "orjson")]
    assert row["codec_share"] == pytest.approx(0.25)
    assert row["codec_share_low"] <= 0.25 <= row["codec_share_high"]
    assert row["client_cpu_share"] == pytest.approx(0.5)
    assert "client-cpu" not in table.index.get_level_values("metric")


def test_group_without_a_baseline_is_compared_with_the_experiments(table: pd.DataFrame) -> None:
    """The slim form of a stream stands against the full one."""
    slim = table.loc[("stream", "http, sse, slim, every=1", "latency", "orjson")]
    assert slim["ratio"] == pytest.approx(0.5) and slim["verdict"] == "faster" and slim["aa_high"] > 1
    alone = table.loc[("stream", "http, sse, full, every=1", "token-bytes", "orjson")]
    assert pd.isna(alone["ratio"]) and alone["verdict"] == ""


def test_counts_of_nothing_are_equal_to_each_other(table: pd.DataFrame) -> None:
    """0 against 0 is a ratio of 1; 3 against 0 is none, and no verdict."""
    place = ("cancel", "http", "left-tasks")
    assert table.loc[(*place, "client (A/A)"), "ratio"] == 1
    assert table.loc[(*place, "server"), "value"] == pytest.approx(3, rel=0.1)
    assert pd.isna(table.loc[(*place, "server"), "ratio"]) and table.loc[(*place, "server"), "verdict"] == ""


def test_conditions_come_in_the_order_of_their_numbers(table: pd.DataFrame) -> None:
    """5 ms before 25 ms, http before http2."""
    found = [place[1] for place in table.index if place[0] == "connection"]
    assert list(dict.fromkeys(found)) == ["tcp, rtt=5ms", "tcp, rtt=25ms"]
    given = [("http2", "a"), ("http", "b"), ("grpc", "c")]
    assert sorted(given, key=natural) == [("grpc", "c"), ("http", "b"), ("http2", "a")]


def test_formula_stands_beside_what_it_predicts(table: pd.DataFrame) -> None:
    """And gets no verdict."""
    place = ("connection", "tcp, rtt=5ms", "latency")
    names = [index[3] for index in table.index if index[:3] == place]
    assert names.index("formula: new") > names.index("new")
    assert table.loc[(*place, "formula: new"), "verdict"] == "formula"


def test_every_figure_has_an_interval_and_every_ratio_an_a_a(table: pd.DataFrame) -> None:
    """The interval holds the figure."""
    assert (table["value_low"] <= table["value"]).all() and (table["value"] <= table["value_high"]).all()
    assert table[table["ratio"].notna()][["ratio_low", "ratio_high", "aa_low", "aa_high"]].notna().all(axis=None)


def test_other_tables_do_not_see_the_wire(tmp_path: Path) -> None:
    """The same tables with its rows and without."""
    without = load_results(write(tmp_path))
    both = pd.concat([without, wirerows.run()], ignore_index=True)
    one, other = build_tables(without), build_tables(both)
    assert set(other) - set(one) == {"wire"}
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name])


def test_blocks_put_conditions_side_by_side_where_arms_meet() -> None:
    """A stream's forms, which have arms of their own, are lines."""
    found = {block.experiment: block for block in blocks(wire_table(wirerows.run()))}
    assert found["transport"].heads == ["grpc, inflight=1", "http, inflight=1"]
    assert dict(found["transport"].lines)["protobuf"] == ["1.03×= 15%", "1.03×= 27%"]
    assert found["stream"].heads == ["latency", "token-bytes"]
    sizes = wirerows.arm("orjson", "wire/transport", 2000, "body-bytes", "bytes")
    both = blocks(wire_table(pd.concat([wirerows.run(), frame(sizes)], ignore_index=True)))
    first = next(block for block in both if block.experiment == "transport")
    assert first.heads == ["body-bytes", "grpc, inflight=1", "http, inflight=1"] and first.lines[0][1][0] == "2.00 kB"
    assert ("http, sse, full, every=1", []) in found["stream"].lines
    assert any("busy up to 95 %" in sentence for sentence in found["transport"].legend)
    assert not any("busy" in sentence for sentence in found["stream"].legend)


def test_terminal_shows_the_wire_in_eighty_columns() -> None:
    """Nothing is cut off."""
    console = Console(width=80, record=True, file=io.StringIO())
    for shown in terminal_tables(wirerows.run()):
        console.print(shown)
    text = console.export_text()
    assert "transport, chat-turn" in text and "…" not in text and "800 µs" in text


def test_digest_names_what_differs_most_beyond_the_noise() -> None:
    """Ties are counted, and an arm inside the noise is not named."""
    found = {one.experiment: one for one in digests(wire_table(wirerows.run()))}
    one = found["transport"]
    assert (one.compared, one.ties, one.baseline, one.least) == (4, 2, "orjson", "")
    assert one.most.startswith("json 2.00×") and "inflight=1" in one.most and one.share == "12 to 62 %"
    assert found["stream"].least.startswith("orjson 0.500×") and found["stream"].share == ""
    assert found["connection"].compared == 2 and 0 < one.noise < 0.1 and one.noisiest


def test_terminal_gives_a_line_each_where_there_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the summary of all experiments can be read."""
    monkeypatch.setattr(wire_summary, "MOST_LINES", 3)
    console = Console(width=80, record=True, file=io.StringIO())
    for shown in terminal_tables(wirerows.run()):
        console.print(shown)
    text = console.export_text()
    assert "2 of 4" in text and "serlab export DIR --table wire" in text and "800 µs" not in text


def folder(path: Path, rows: pd.DataFrame) -> Path:
    """Make a results folder of rows."""
    write_table(path, rows)
    record = {**ENVIRONMENT, "wire": conditions(("transport", "stream", "cancel", "connection"))}
    (path / "environment.json").write_text(json.dumps(record))
    return path


def test_page_of_the_wire_alone_shows_it_first(tmp_path: Path) -> None:
    """No boundary has an answer, so the answer is hidden and the page says why."""
    text = write_page(folder(tmp_path, wirerows.run())).read_text()
    assert '<section id="answer" hidden' in text and "serlab compare" in text
    assert EXPERIMENTS["transport"].question in text
    assert "HTTP/1.1 by aiohttp" in text and "1.03×=" in text


@pytest.mark.slow
def test_page_of_a_whole_run_shows_the_wire_after_the_answer(tmp_path: Path) -> None:
    """Both in one run."""
    rows = pd.concat([load_results(write(tmp_path)), wirerows.run()], ignore_index=True)
    write_table(tmp_path, rows)
    text = write_page(tmp_path).read_text()
    assert '<section id="answer" aria' in text
    assert text.index('id="answer"') < text.index('id="wire-experiments"') < text.index('id="figures"')


def test_tables_are_written_in_all_formats(tmp_path: Path) -> None:
    """With units in the cells for reading, and full figures in CSV."""
    write_tables(folder(tmp_path, wirerows.run()))
    text = (tmp_path / "tables/wire.md").read_text()
    assert "800 µs" in text and "25 %" in text
    csv = pd.read_csv(tmp_path / "tables/wire.csv")
    assert set(csv["unit"]) == {"ns", "bytes/token", "1"} and csv["value"].max() == pytest.approx(5.25e7, rel=0.05)
