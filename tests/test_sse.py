"""Server-sent events, as a string in a line and as a raw file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serlab import corpus
from serlab.corpus import read
from tests.corpora import CHAT, CHUNK, EVENTS, kinds, line, read_bytes


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

    def lines(_: str) -> Iterator[tuple[int, bytes]]:
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
