"""Files that hold no bodies, or hold them in something else: one hint or one error, with a jq filter that works."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from serlab.corpus import read
from serlab.errors import CorpusError
from tests.corpora import ANSWER, CHAT, EVENTS, kinds, line, read_bytes

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


def test_value_over_several_lines_may_be_cut_by_the_end_of_the_file(tmp_path: Path) -> None:
    """Still one error."""
    bodies, errors = read_bytes(tmp_path, json.dumps([CHAT, CHAT], indent=2).encode()[:-30])
    assert (bodies, len(errors)) == ([], 1)


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
