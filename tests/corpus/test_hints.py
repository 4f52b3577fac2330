"""Files that hold no bodies, or hold them in something else: one hint or one error, with a jq filter that works."""

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from serlab import sse
from serlab.corpus import read
from serlab.errors import CorpusError
from serlab.hints import Spread, is_log
from serlab.streams import Origin
from tests.support.corpora import (
    ANSWER,
    CHAT,
    EVENTS,
    cpu_seconds,
    kinds,
    line,
    looked_at,
    nested,
    peak_bytes,
    read_bytes,
)

TURNS = CHAT["messages"]
LITELLM = {
    **{"call_type": "acompletion", "model": "m", "messages": TURNS, "model_parameters": {"temperature": 0}},
    **{"startTime": 1.0, "endTime": 2.0, "response_cost": 0.1},
}
LOGS: dict[str, tuple[list[Any], list[str]]] = {
    "litellm": ([{**LITELLM, "response": {}}, {**LITELLM, "response": ANSWER}], ["ChatRequest"] * 2 + ["ChatResponse"]),
    "langfuse": (
        [
            {"type": "GENERATION", "model": "m", "input": {"messages": TURNS}, "output": {"role": "assistant"}},
            {"type": "GENERATION", "model": "m", "input": TURNS, "modelParameters": {"n": 1}, "output": "x"},
            {"type": "EMBEDDING", "model": "text-embedding-3-small", "input": ["a"], "output": None},
        ],
        ["ChatRequest", "ChatRequest", "EmbeddingRequest"],
    ),
    "langsmith": (
        [{"run_type": "llm", "inputs": {"messages": TURNS}, "outputs": ANSWER}],
        ["ChatRequest", "ChatResponse"],
    ),
    "nested": ([{"ts": 1, "data": {"the request": CHAT, "answer": ANSWER}}], ["ChatRequest", "ChatResponse"]),
    "json-text": ([{"ts": 1, "payload": json.dumps(CHAT)}], ["ChatRequest"]),
    "stream": ([{"ts": 1, "chunks": EVENTS}], ["ChatChunk", "ChatChunk"]),
    "list": ([{"name": "run", "calls": [CHAT, CHAT]}], ["ChatRequest", "ChatRequest"]),
    "proxy": ([{"spend": 0.1, "proxy_server_request": {"url": "u", "method": "POST", "body": CHAT}}], ["ChatRequest"]),
}


def hints_of(path: Path) -> tuple[list[str], list[str]]:
    """Read a file; give the kinds of its bodies and the hints."""
    hints: list[str] = []
    return kinds(list(read(path, strict=True, on_hint=hints.append))), hints


def filter_of(text: str) -> str:
    """Find the jq filter in a hint."""
    found = re.search(r"jq -c ('.*'|\S+) ", text)
    assert found
    return found[1].strip("'")


@pytest.mark.parametrize(("lines", "found"), LOGS.values(), ids=LOGS)
def test_log_with_bodies_inside_is_hinted_at_once(tmp_path: Path, lines: list[Any], found: list[str]) -> None:
    """Its lines are documents, since they were never sent so; where jq is there, its filter gives the bodies."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(CHAT) + b"".join(map(line, lines)) * 2)
    read_kinds, hints = hints_of(path)
    assert len(hints) == 1
    assert re.search(rf"{read_kinds.count('document')} lines? looks? like a log .* line 2 first", hints[0])
    assert f"{path} > bodies.jsonl" in hints[0]
    if shutil.which("jq"):
        path.write_bytes(b"".join(map(line, lines)))
        done = subprocess.run(["jq", "-c", filter_of(hints[0]), path], capture_output=True, check=True)
        assert sorted(kinds(read_bytes(tmp_path, done.stdout, "bodies.jsonl")[0])) == sorted(found)


@pytest.mark.parametrize("lines", [one[0] for one in LOGS.values()], ids=LOGS)
def test_filter_passes_over_lines_of_another_shape(tmp_path: Path, lines: list[Any]) -> None:
    """Other values than objects, and objects with a text or a number where this log has an object."""
    names = {name for one in lines for name in one}
    others = [[1], ["x"], "x", 1, None, *({name: held} for name in names for held in ("x", 1, ["x"], {"body": 1}))]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(map(line, [*lines, *others])))
    filter_ = filter_of(hints_of(path)[1][0])
    assert filter_.startswith("objects | ")
    if shutil.which("jq"):
        done = subprocess.run(["jq", "-c", filter_, path], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz"])
def test_packing_in_a_recipe_is_told_by_the_first_bytes(tmp_path: Path, name: str) -> None:
    """Whatever the file's name; where jq is there, the recipe gives the bodies."""
    (tmp_path / name).write_bytes(gzip.compress(line([{"contents": []}])))
    recipe = hints_of(tmp_path / name)[1][0].partition("are the bodies: ")[2]
    assert recipe.startswith(f"gzip -dc {tmp_path / name} | jq -c ")
    if shutil.which("jq"):
        subprocess.run(recipe, shell=True, cwd=tmp_path, check=True)
        assert json.loads((tmp_path / "bodies.jsonl").read_text()) == {"contents": []}


NO_LOGS: dict[str, Any] = {
    "request-with-metadata": {**CHAT, "metadata": {"trace_id": "t"}, "user": "u"},
    "tool-use": {
        "type": "message",
        "content": [{"type": "tool_use", "input": {"messages": TURNS, "prompt": "x"}}],
    },
    "arguments": {"type": "response.function_call_arguments.done", "arguments": '{"prompt": "a cat"}'},
    "stored-completion": {**ANSWER, "request": CHAT},
    "responses-event": {"type": "response.completed", "response": {"object": "response", "output": []}},
    "gemini": {"candidates": [{"content": {"parts": [{"text": "x"}]}}]},
    "responses-request": {"model": "m", "input": TURNS},
}


@pytest.mark.parametrize("body", NO_LOGS.values(), ids=NO_LOGS)
def test_body_is_no_log(tmp_path: Path, body: Any) -> None:
    """Bodies in which other bodies, or fields of such names, have a place."""
    (tmp_path / "c.jsonl").write_bytes(line(body))
    assert hints_of(tmp_path / "c.jsonl")[1] == []


def test_arrays_that_may_hold_bodies_are_hinted_at(tmp_path: Path) -> None:
    """Of an API without types nobody can tell an array of bodies from a body that is an array."""
    (tmp_path / "c.jsonl").write_bytes(line([{"contents": []}]) * 2)
    found, hints = hints_of(tmp_path / "c.jsonl")
    assert found == ["document"] * 2
    assert len(hints) == 1 and "2 lines are arrays of objects, line 1 first" in hints[0]


SPREAD: dict[str, tuple[str, str, str]] = {
    "object": (json.dumps(ANSWER, indent=2), "lines 1 to 12 are one JSON value;", "."),
    "array": (json.dumps([CHAT, CHAT], indent=2), "lines 1 to 20 are one JSON value;", ".[]"),
    "array-of-lines": (f"[\n{json.dumps(CHAT)},\n{json.dumps(ANSWER)}\n]", "lines 1 to 4 are one JSON value;", ".[]"),
    "array-of-a-database": (f"[{json.dumps(CHAT)}, \n {json.dumps(CHAT)}]", "lines 1 to 2 are one JSON value;", ".[]"),
    "three-objects": ("\n".join([json.dumps(CHAT, indent=1)] * 3), "and so are 2 more after it; ", "."),
    "both": (
        json.dumps(CHAT, indent=1) + "\n" + json.dumps([ANSWER], indent=1),
        "and so is 1 more after it; ",
        'if type == "array" then .[] else . end',
    ),
}


@pytest.mark.parametrize(("text", "reason", "filter_"), SPREAD.values(), ids=SPREAD)
def test_value_over_several_lines_is_one_error(tmp_path: Path, text: str, reason: str, filter_: str) -> None:
    """However many lines it has; bodies around it are read, and where jq is there, its filter gives all."""
    bodies, errors = read_bytes(tmp_path, text.encode() + b"\n" + line(CHAT))
    assert kinds(bodies) == ["ChatRequest"]
    assert [error.line for error in errors] == [1]
    assert reason in errors[0].reason and filter_of(errors[0].reason) == filter_
    if shutil.which("jq"):
        done = subprocess.run(["jq", "-c", filter_], input=text.encode(), capture_output=True, check=True)
        assert {*kinds(read_bytes(tmp_path, done.stdout)[0])} <= {"ChatRequest", "ChatResponse"}


def test_long_value_over_several_lines_is_passed_over(tmp_path: Path) -> None:
    """It is longer than what is looked at; brackets in its texts do not count."""
    long = json.dumps([{**CHAT, "user": f"}}]{{ {i}"} for i in range(20_000)], indent=1).encode()
    bodies, errors = read_bytes(tmp_path, line(CHAT) + long + b"\n" + line(ANSWER))
    assert kinds(bodies) == ["ChatRequest", "ChatResponse"]
    assert [(error.line, error.reason.split(" are ")[0]) for error in errors] == [(2, "lines 2 to 200,003")]


@pytest.mark.parametrize("times", [2, 20_000])
def test_value_over_several_lines_may_be_cut_by_the_end_of_the_file(tmp_path: Path, times: int) -> None:
    """Still one error, without a filter, which would fail there as well; a whole value before it has its own."""
    cut = json.dumps([CHAT] * times, indent=2).encode()[:-30]
    bodies, errors = read_bytes(tmp_path, json.dumps(CHAT, indent=2).encode() + b"\n" + cut)
    assert bodies == []
    assert [error.line for error in errors] == [1, 10]
    assert errors[0].reason.startswith("lines 1 to 9 are one JSON value; ")
    last = 9 + len(cut.splitlines())
    assert errors[1].reason == f"the file ends inside a value that begins here; lines 10 to {last:,} belong to it"


def test_bodies_in_a_value_that_the_file_ends_inside_are_read(tmp_path: Path) -> None:
    """Where they are lines of their own, as after any other damaged line."""
    bodies, errors = read_bytes(tmp_path, b"[\n" + b'{"request":[1,\n' + line(CHAT) + b',{"a":\n')
    assert [(body.line, body.kind) for body in bodies] == [(3, "ChatRequest")]
    assert [error.line for error in errors] == [1]
    assert errors[0].reason.endswith("belong to it; 1 of the lines after it is a body and is read")


@pytest.mark.parametrize("size", [1, 2 << 20], ids=["short", "long"])
def test_blank_lines_make_no_value_over_several_lines(tmp_path: Path, size: int) -> None:
    """A damaged line, a whole one of any size and blank ones are as without the blank ones."""
    data = b'{"request":[1,\n' + line({**CHAT, "user": "x" * size})
    for end in (b"", b"\n\n\n", b"\n" + line(ANSWER)):
        bodies, errors = read_bytes(tmp_path, data + end)
        assert kinds(bodies) == ["ChatRequest", *(["ChatResponse"] if b"{" in end else [])]
        assert [error.line for error in errors] == [1]


@pytest.mark.parametrize("damaged", [b"{", b'{"a": [1,', b'[{"a": 1},', b'{"a":', b'{"a": "x'])
@pytest.mark.parametrize("after", [1, 2, 9])
def test_damaged_line_is_no_value_over_several_lines(tmp_path: Path, damaged: bytes, after: int) -> None:
    """What stands after it is read."""
    texts = [json.dumps({"text": "x\ny"}).encode() + b"\n"] * after
    bodies, errors = read_bytes(tmp_path, b"".join([line(CHAT), damaged, b"\n", *texts]))
    assert len(bodies) == 1 + after
    assert [error.line for error in errors] == [2]


def test_strict_stops_at_a_value_over_several_lines(tmp_path: Path) -> None:
    """What stands before it is given, nothing after it."""
    (tmp_path / "c.jsonl").write_bytes(line(CHAT) + json.dumps(ANSWER, indent=1).encode() + b"\n" + line(CHAT))
    bodies = read(tmp_path / "c.jsonl", strict=True)
    assert next(bodies).line == 1
    with pytest.raises(CorpusError, match="lines 2 to 13 are one JSON value"):
        next(bodies)


def reported(lines: Iterable[bytes]) -> list[CorpusError]:
    """Read lines that come one by one; give what is reported of values over several of them."""
    errors: list[CorpusError] = []
    spread = Spread(Origin("c.jsonl", "c.jsonl"), errors.append, at_once=False)
    for _ in spread.single_lines(iter(enumerate(lines, 1))):
        pass
    spread.tell()
    return errors


def test_blank_lines_behind_a_damaged_one_are_not_held() -> None:
    """However many there are; those inside a value belong to it."""
    assert peak_bytes(lambda: reported(chain([b"{\n"], repeat(b"\n", 100_000)))) < 1 << 20
    assert reported([b"[\n", b"1,\n", b"\n", b"\n", b"\n", b"2\n", b"]\n"])[0].reason.startswith("lines 1 to 7 are")
    assert reported([b"[\n", b"1,\n", b"2,\n", b"\n", b"\n"])[0].reason.endswith("lines 1 to 5 belong to it")


def test_values_over_several_lines_are_counted_alone() -> None:
    """The first is remembered with its lines."""
    errors: list[CorpusError] = []
    lines = chain.from_iterable(repeat((b"[\n", b"1\n", b"]\n"), 20_000))
    assert peak_bytes(lambda: errors.extend(reported(lines))) < 1 << 19
    assert "lines 1 to 3 are one JSON value, and so are 19,999 more after it" in errors[0].reason


LONG_VALUE = [b"[\n", b'"' + b"x" * (1 << 20) + b'",\n', b"1,\n"]


def test_long_text_in_a_long_value_takes_its_own_memory() -> None:
    """A few times its bytes, not some for each."""
    lines = [*LONG_VALUE, b'"' + b"x" * 1_000_000 + b'"\n', b"]\n"]
    assert peak_bytes(lambda: reported(lines)) < 10 << 20


def test_text_without_its_end_in_a_long_value_is_passed_over_once() -> None:
    """Escaped quotes are no other places to begin at."""
    quotes, plain = ([*LONG_VALUE, b'"' + two * 10_000 + b"\n", b"]\n"] for two in (b'\\"', b"xx"))
    assert cpu_seconds(lambda: reported(quotes)) < 0.05 + 5 * cpu_seconds(lambda: reported(plain))


@pytest.mark.parametrize(("key", "children"), [(100_000, 100), (900, 10_000)], ids=["long-name", "many-children"])
def test_ways_to_bodies_do_not_fill_the_memory(key: int, children: int) -> None:
    """Those that are too long, or too many to be looked at, are not written."""
    value = {"k" * key: {f"a{i}": {} for i in range(children)}}
    assert peak_bytes(lambda: is_log(value, "document")) < 1 << 20
    assert is_log({"k" * 300: {"answer": ANSWER}}, "document")


def test_lines_that_each_begin_a_value_are_looked_at_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where what they begin is right for long, and then is not."""
    seen = looked_at(monkeypatch, sse, "is_cut_json")
    lines = [b"[" + b"1," * 100 + b"\n"] * 900 + [b"x\n"]
    assert reported(lines) == []
    assert 0 < sum(seen) < 100 * len(b"".join(lines))


def test_value_of_too_many_levels_over_several_lines_is_one_error(tmp_path: Path) -> None:
    """It is passed over by its brackets, and what follows it is read."""
    value = b"[1,\n" * 3000 + b"1\n" + b"]\n" * 3000
    bodies, errors = read_bytes(tmp_path, line(CHAT) + value + line(ANSWER))
    assert kinds(bodies) == ["ChatRequest", "ChatResponse"]
    assert [(error.line, error.reason.split(" are ")[0]) for error in errors] == [(2, "lines 2 to 6,002")]


@pytest.mark.parametrize(
    "damaged", [b"[" * 3000, b'{"a": [1,\n' + nested(990).rstrip()], ids=["alone", "after-another"]
)
def test_line_of_too_many_levels_is_no_value_over_several_lines(tmp_path: Path, damaged: bytes) -> None:
    """What stands after it is read."""
    bodies, errors = read_bytes(tmp_path, line(CHAT) + damaged + b"\n" + line(CHAT) * 9)
    assert kinds(bodies) == ["ChatRequest"] * 10
    assert [error.line for error in errors] == [2 + i for i in range(len(damaged.splitlines()))]
