"""The oracle reports what is planted in a record, and knows names that changed and differences that are wanted."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.oracle import __main__ as oracle
from scripts.oracle import normal, store
from scripts.oracle.commands import cases
from scripts.oracle.differences import Difference, Names, differences, judge, read_names, read_wanted
from scripts.oracle.rows import leaves, record_of
from scripts.oracle.store import Item, Record, bulky, dump, full, parse

STORED = normal.ROOT / "notebooks/stored"
RECORDED = {kind: store.read(kind) for kind in oracle.MAKERS}


def compared(kind: str, was: Record, now: Record, pairs: Mapping[str, str] | None = None) -> list[Difference]:
    """Compare two records."""
    return list(differences(kind, was, now, Names(pairs or {}), kind in oracle.SORTED))


def changed(record: Record, name: str, change: Callable[[str], str]) -> Record:
    """Change the first line of an item that changes by it."""
    lines = list(record[name].lines)
    place = next(i for i, line in enumerate(lines) if change(line) != line)
    lines[place] = change(lines[place])
    return {**record, name: replace(record[name], lines=tuple(lines))}


def name_of(kind: str, part: str) -> str:
    """Find an item that is kept in full by a part of its name."""
    return next(name for name, item in RECORDED[kind].items() if part in name and not item.is_digest)


def other_digit(line: str) -> str:
    """Change the last digit of a line."""
    place = max((i for i, one in enumerate(line) if one in "0123456789"), default=-1)
    return line if place < 0 else f"{line[:place]}{(int(line[place]) + 1) % 10}{line[place + 1 :]}"


@pytest.mark.parametrize(
    ("kind", "part", "change"),
    [
        ("compare", "rows", lambda line: line.replace("| ns |", "| s |")),
        ("compare", "rows", lambda line: line.replace("decode", "decoded", 1)),
        ("compare", "rows", lambda line: line.replace(" 5 rows", " 4 rows")),
        ("compare", "rows", lambda line: line.replace("agent-request, ", "", 1)),
        ("compare", "status", lambda line: line.replace("status 0", "status 1")),
        ("wire", "rows", lambda line: line.replace("rtt=25ms", "rtt=24ms")),
        ("wire", "environment", lambda line: line.replace("conditions: ", "condition: ")),
        ("answers", "stored/tables/summary.csv", other_digit),
        ("answers", "wire/tables/size.csv", other_digit),
        ("answers", "decision record, edge", other_digit),
        ("answers", "decide, all", other_digit),
        ("answers", "stored/page, text", other_digit),
        ("commands", "help: decide", lambda line: line.replace("--adr", "--record")),
        ("commands", "bad: report: missing", lambda line: line.replace("status 2", "status 1")),
        ("commands", "bad: report: missing", lambda line: line.replace("no such folder", "no such file")),
    ],
)
def test_a_planted_change_is_reported(kind: str, part: str, change: Callable[[str], str]) -> None:
    """A digit, a key, a unit, a count, a condition, a status, a word; and nothing else is."""
    record = {name: item for name, item in RECORDED[kind].items() if not item.is_digest}
    name = name_of(kind, part)
    found = compared(kind, record, changed(record, name, change))
    assert found and {(one.kind, one.name) for one in found} == {(kind, name)}
    assert compared(kind, record, record) == []


@pytest.mark.parametrize("kind", RECORDED)
def test_a_name_that_is_gone_or_new_is_reported(kind: str) -> None:
    """As a whole."""
    record = RECORDED[kind]
    gone = min(name for name, item in record.items() if not item.is_digest)
    less = {name: item for name, item in record.items() if name != gone and not item.is_digest}
    more = {**less, gone: record[gone]}
    for was, now in ((more, less), (less, more)):
        assert {one.name for one in compared(kind, was, now)} == {gone}


def test_a_digit_planted_where_only_digests_are_kept_is_reported() -> None:
    """With the line as it is now."""
    made = {"table": bulky(["| orjson | 1.25 |", "| json | 3.50 |"])}
    was = parse(dump(made))
    assert was["table"].is_digest and compared("answers", was, made) == []
    (found,) = compared("answers", was, changed(made, "table", other_digit))
    assert found.now == ("| orjson | 1.26 |",) and len(found.was) == 1


def test_a_record_is_read_as_it_was_written() -> None:
    """Whatever its lines begin with."""
    made = {"b": full("= x\n# y\n|z\n\n"), "a": full(""), "c": full("\u2028\x85\r \tend  ")}
    assert parse(dump(made)) == made
    for kind, record in RECORDED.items():
        text = (store.RECORDED / f"{kind}.txt").read_bytes().decode()
        assert text.startswith(("= ", "# ")) and list(record) == sorted(record)
    with pytest.raises(ValueError, match="line 3"):
        parse("= a\n|b\n= a\n")


def test_names_are_mapped_one_to_one() -> None:
    """Where they stand by themselves; what is left of an old name is a difference."""
    was = {"rows": full("codec-a | x\ncodec-b | (A/A)"), "help: codec-a": full("codec-a, codec-ab")}
    now = {"rows": full("codec-b | x\ncodec-a | aa"), "help: codec-b": full("codec-b, codec-ab")}
    pairs = {"codec-a": "codec-b", "codec-b": "codec-a", "(A/A)": "aa"}
    assert compared("commands", was, now, pairs) == []
    assert compared("commands", was, now, {"(A/A)": "aa"})
    names = Names({**pairs, "gone": "nowhere"})
    assert not list(differences("commands", was, now, names)) and names.unused == {"nowhere"}
    for wrong in ({"a": "c", "b": "c"}, {"a": "a"}):
        with pytest.raises(ValueError, match="names"):
            Names(wrong)


def test_order_of_rows_is_no_difference() -> None:
    """A new name may sort elsewhere; of a text the order counts."""
    was, now = {"rows": full("a\nb")}, {"rows": full("b\nz")}
    assert compared("compare", was, now, {"a": "z"}) == []
    assert compared("commands", was, now, {"a": "z"})


def test_only_the_very_difference_that_is_wanted_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another in its place is reported, and so is a wanted one that does not occur."""
    was, now = {"bad: x": full("status 2\nerr: a")}, {"bad: x": full("status 2\nerr: b")}
    found = compared("commands", was, now)
    path = tmp_path / "wanted.toml"
    path.write_text(f'[[wanted]]\nreason = "clearer"\ndifferences = ["{found[0].key}"]\n')
    wanted = read_wanted(path)
    assert oracle.report(found, wanted, ["commands"], Names({})) == 0
    other = compared("commands", was, {"bad: x": full("status 2\nerr: c")})
    assert oracle.report(other, wanted, ["commands"], Names({})) == 1
    printed = capsys.readouterr().out
    assert "+ err: c" in printed and "- err: a" in printed and f"did not occur: {found[0].key}" in printed
    assert judge([], wanted, ["wire"]) == ([], []), "what is wanted elsewhere is not expected here"


def test_a_wanted_difference_needs_a_reason(tmp_path: Path) -> None:
    """An empty one is none."""
    path = tmp_path / "wanted.toml"
    path.write_text('[[wanted]]\nreason = " "\ndifferences = ["commands: x: 123456"]\n')
    with pytest.raises(ValueError, match="reason"):
        read_wanted(path)


def test_names_in_the_mapping_with_no_use_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """If everything was made."""
    names = Names({"old": "new"})
    assert oracle.report([], {}, list(oracle.MAKERS), names) == 1
    assert "nowhere met: new" in capsys.readouterr().out
    assert oracle.report([], {}, ["wire"], names) == 0


def test_committed_lists_can_be_read() -> None:
    """And there are cases enough, each under a name of its own."""
    read_names()
    read_wanted()
    names = [case.name for case in cases()]
    assert len(names) == len(set(names)) and sum(name.startswith("bad: ") for name in names) >= 60
    assert set(RECORDED["commands"]) == set(names)


def test_rows_of_a_folder_are_recorded_without_values_and_machine() -> None:
    """Twice the same, with a line for each leaf of its record."""
    record = record_of(STORED / "wire")
    assert record == record_of(STORED / "wire")
    lines = record["rows"].lines
    assert any(
        line.startswith("orjson (A/A) | wire/transport/http/inflight=1 | latency | ns | 5 rows | ") for line in lines
    )
    assert "AMD" not in dump({"x": record["environment"]}) and '/cpu: "…"' in record["environment"].lines
    assert leaves({"b": [{"c": 1}], "a": [1, 2]}) == ["/a: [1, 2]", '/b/0: {"c": 1}']
    assert leaves([{"b": [1], "a": None}]) == ["/0/a: null", "/0/b: [1]"]


def test_places_and_times_have_names(tmp_path: Path) -> None:
    """The scratch folder, the checkout; a run's date, and what it still expects to take."""
    said = f"{tmp_path}/x {normal.ROOT}/serlab"
    assert normal.text(said, tmp_path) == "<work>/x <root>/serlab"
    assert normal.timed("results/20260101-120000\nrun 20260101-1200") == "results/<date>\nrun 20260101-1200"
    assert normal.timed("err: 2/2 size/x, 0:07 left\nx") == "err: 2/2 size/x, <time> left\nx"


def test_an_item_of_nothing_differs_from_none() -> None:
    """A name counts, too."""
    assert len(compared("commands", {"a": Item(())}, {})) == 1
