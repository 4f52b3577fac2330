"""Server-sent events, as a string in a line and as a raw file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serlab import corpus, sse
from serlab.corpus import read
from tests.support.corpora import CHAT, CHUNK, EVENTS, cpu_seconds, kinds, line, looked_at, read_bytes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_sse_string_gives_each_event(tmp_path: Path, end: str) -> None:
    """Comments, names and ids are passed over, data lines of one event are joined, `[DONE]` ends the body."""
    head = ': hello\nevent: x\nid: 1\nretry: 5\ndata: {"choices":\ndata:[{"delta":{}}]}\n\n'
    text = f'{head}{EVENTS}data: {{"after": "the end"}}\n\n'
    bodies, errors = read_bytes(tmp_path, line(text.replace("\n", end)) + line(CHAT))
    assert [(body.line, body.kind) for body in bodies] == [(1, "ChatChunk")] * 3 + [(2, "ChatRequest")]
    assert bodies[0].document == {"choices": [{"delta": {}}]}
    assert errors == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_raw_sse_file_gives_each_event_with_its_line(tmp_path: Path, end: str) -> None:
    """A file of several streams is read to its end."""
    bodies, errors = read_bytes(tmp_path, (": a comment\n\n" + EVENTS * 2).replace("\n", end).encode(), "stream.sse")
    assert kinds(bodies) == ["ChatChunk"] * 4
    assert [body.line for body in bodies] == ([1] * 4 if end == "\r" else [3, 5, 9, 11])
    assert errors == []


@pytest.mark.parametrize(
    "text",
    [
        EVENTS.replace("\n\n", "\n"),
        EVENTS.removesuffix("\n\ndata: [DONE]\n\n"),
        "   " + EVENTS.replace("\n", "\n   "),
        EVENTS.replace("data: ", "data:"),
        "\ufeff\n" + EVENTS,
        "data:\n\n" + EVENTS + "data: \n\n",
        EVENTS.replace("data: ", "", 2).replace("{", "data: {", 1),
    ],
    ids=["no-blank-lines", "cut-before-done", "indented", "no-space", "byte-order-mark", "empty-data", "bare-object"],
)
@pytest.mark.parametrize("raw", [True, False], ids=["file", "string"])
def test_sse_as_recorders_leave_it_loses_no_event(tmp_path: Path, text: str, raw: bool) -> None:
    """Streams that do not keep to the letter of the standard."""
    bodies, errors = read_bytes(tmp_path, text.encode() if raw else line(text))
    assert [body.document for body in bodies] == [CHUNK, CHUNK]
    assert errors == []


def test_raw_sse_file_is_read_event_by_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first body is there before the second event was read."""
    taken: list[int] = []

    def lines(_: object) -> Iterator[tuple[int, bytes]]:
        for number, text in enumerate(EVENTS.splitlines(keepends=True), 1):
            taken.append(number)
            yield number, text.encode()

    monkeypatch.setattr(corpus, "numbered_lines", lines)
    bodies = read("stream.sse")
    assert next(bodies).document == CHUNK
    assert taken == [1, 2]


def test_event_that_is_not_json_is_reported_with_its_line(tmp_path: Path) -> None:
    """The other events are read."""
    bodies, errors = read_bytes(tmp_path, b"data: {broken\n\n" + EVENTS.encode() + b'data: "\xff"\n\n')
    assert kinds(bodies) == ["ChatChunk"] * 2
    assert [(error.line, error.reason[:28]) for error in errors] == [
        (1, "an SSE event: not JSON: Expe"),
        (9, "an SSE event: not UTF-8: byt"),
    ]


def test_error_event_is_of_the_kind_of_its_stream(tmp_path: Path) -> None:
    """An error inside a chat stream is a chunk, elsewhere a document."""
    error = 'data: {"error": {"message": "overloaded"}}\n\n'
    assert (
        kinds(read_bytes(tmp_path, EVENTS.encode().replace(b"data: [DONE]\n\n", error.encode()))[0])
        == ["ChatChunk"] * 3
    )
    assert kinds(read_bytes(tmp_path, error.encode())[0]) == ["document"]


STRAY = ["garbage", "Traceback (most recent call last):", "<html>", "1f3", "foo: bar", "\ufeffdata: {}"]


@pytest.mark.parametrize("stray", STRAY)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("raw", [True, False], ids=["file", "string"])
def test_line_that_is_no_field_is_reported(tmp_path: Path, stray: str, end: str, raw: bool) -> None:
    """What a gateway or a shell left in a recording is not passed over in silence; the events around it are read."""
    text = f"{EVENTS.removesuffix('data: [DONE]' + chr(10) * 2)}{stray}\n{EVENTS}".replace("\n", end)
    bodies, errors = read_bytes(tmp_path, text.encode() if raw else line(text))
    assert kinds(bodies) == ["ChatChunk"] * 4
    assert [error.line for error in errors] == [1 if end == "\r" or not raw else 5]
    assert errors[0].reason.startswith("not JSON")


@pytest.mark.parametrize("field", ["event", "id: 7", "retry", ":", ": keep-alive", "data", "data:"])
def test_field_or_comment_is_no_stray_line(tmp_path: Path, field: str) -> None:
    """A name alone is a field without a value, as the standard says."""
    bodies, errors = read_bytes(tmp_path, f"{field}\n{EVENTS}{field}\n\n".encode())
    assert kinds(bodies) == ["ChatChunk"] * 2
    assert errors == []


def test_lines_of_json_after_raw_sse_are_read(tmp_path: Path) -> None:
    """Strings with a stream, pairs and bodies; a raw stream after them as well."""
    pair = {"request": CHAT, "response": EVENTS}
    data = EVENTS.encode() + line(EVENTS) + line(CHAT) + line(pair) + EVENTS.encode() + line([1])
    bodies, errors = read_bytes(tmp_path, data)
    asked = ["ChatRequest", "ChatRequest", "ChatChunk", "ChatChunk"]
    assert kinds(bodies) == [*["ChatChunk"] * 4, *asked, *["ChatChunk"] * 2, "document"]
    assert errors == []


def test_data_that_was_printed_over_several_lines_is_one_event(tmp_path: Path) -> None:
    """A recorder put an indented object behind `data:`."""
    data = b"data: " + json.dumps(CHUNK, indent=1).encode() + b"\n\n" + EVENTS.encode()
    bodies, errors = read_bytes(tmp_path, data)
    assert [(body.line, body.document) for body in bodies[:1]] == [(1, CHUNK)]
    assert (len(bodies), errors) == (3, [])


OPEN = [{"choices": []}, {"id": "", "object": "", "choices": [], "usage": None}, {"error": {"message": "slow"}}]


@pytest.mark.parametrize("first", OPEN)
def test_first_event_that_shows_no_kind_is_of_the_kind_of_its_stream(tmp_path: Path, first: dict[str, Any]) -> None:
    """Azure opens a stream of chunks without a choice; alone, such an event is a document."""
    opening = f"data: {json.dumps(first)}\n\n"
    for data in ((opening + EVENTS).encode(), line(opening * 2 + EVENTS)):
        assert {*kinds(read_bytes(tmp_path, data)[0])} == {"ChatChunk"}
    assert kinds(read_bytes(tmp_path, opening.encode())[0]) == ["document"]
    assert kinds(read_bytes(tmp_path, (opening + "data: [DONE]\n\n" + EVENTS).encode())[0])[0] == "document"
    assert len(read_bytes(tmp_path, (opening * 99 + EVENTS).encode())[0]) == 101


def test_events_of_another_api_do_not_wait_for_a_chunk(tmp_path: Path) -> None:
    """An error among them is a document as they are, and they keep their order."""
    events = [{"type": "ping"}, {"error": {"message": "slow"}}, {"type": "message_stop"}]
    bodies, _ = read_bytes(tmp_path, "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode())
    assert [body.document for body in bodies] == events
    assert kinds(bodies) == ["document"] * 3


def test_line_ends_cost_what_other_text_does() -> None:
    """A text that begins as a stream does is searched once for a field of data."""
    blank, filled = ":" + "\n" * 20_000, ":" + "x\n" * 10_000
    assert cpu_seconds(lambda: sse.is_stream(blank)) < 0.01 + 20 * cpu_seconds(lambda: sse.is_stream(filled))
    assert sse.is_stream(blank + " \tdata: 1\n\n")


def test_empty_data_lines_do_not_have_the_first_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are; the event is the same."""
    seen = looked_at(monkeypatch, sse, "is_json")
    text = ['data: {"a":"x', *["data:"] * 100]
    assert [event.data for event in sse.events(enumerate(map(str.encode, text), 1))] == [b'{"a":"x']
    assert len(seen) == 1


def test_lines_that_continue_events_are_looked_at_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of a thousand long lines each, which no recorder prints."""
    seen = looked_at(monkeypatch, sse, "is_cut_json")
    text = b'data: {"a":[\n' + (b"1," * 500 + b"\n") * 1500
    list(sse.events([(1, text)]))
    assert 0 < sum(seen) < 150 * len(text)


def test_event_of_a_thousand_printed_lines_is_one() -> None:
    """Every one of its lines is looked at."""
    printed = json.dumps({"logprobs": ["x" * 30] * 990}, indent=4)
    assert [event.data for event in sse.events([(1, f"data: {printed}\n\n".encode())])] == [
        b"\n".join(row.strip() for row in printed.encode().splitlines())
    ]


def test_short_lines_of_an_event_count_with_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an event of many of them is as large as one of a few."""
    monkeypatch.setattr(sse, "MAX_EVENT", 10_000)
    found = list(sse.events((number, b"data:xy\n") for number in range(1000)))
    assert sum(event.data.count(b"xy") for event in found) == 1000
    assert max(event.data.count(b"xy") for event in found) < 200
