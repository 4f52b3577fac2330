"""Logs of calls: bodies that stand whole in a line are taken out of it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from serlab.kinds import unwrap
from tests.support.corpora import ANSWER, CHAT, CHUNK, EVENTS, TEXTS, kinds, line, read_bytes

VECTORS = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "e"}
REFUSAL = {"error": {"message": "no"}}
POST = {"method": "POST", "url": "https://host/v1/chat/completions", "headers": {"authorization": "x"}}
CLAUDE = {"model": "claude-x", "max_tokens": 5, "messages": CHAT["messages"]}
MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}]}
IN_BASE64 = base64.b64encode(json.dumps(ANSWER).encode()).decode()

CALLS: dict[str, Any] = {
    "http-messages": {"request": {**POST, "body": CHAT}, "response": {"status": 200, "headers": {}, "body": ANSWER}},
    "http-messages-as-text": {
        "request": {**POST, "body": json.dumps(CHAT)},
        "response": {"status_code": 200, "body": json.dumps(ANSWER)},
        "duration_ms": 3,
    },
    "json-text": {"request": json.dumps(CHAT), "response": json.dumps(ANSWER)},
    "helicone": {"request_id": "r", "request_body": CHAT, "response_body": ANSWER, "provider": "x"},
    "camel-case-text": {"requestBody": json.dumps(CHAT), "responseBody": json.dumps(ANSWER)},
    "bedrock-batch": {"recordId": "1", "modelInput": CHAT, "modelOutput": ANSWER},
    "har-entry": {
        "startedDateTime": "x",
        "request": {**POST, "postData": {"mimeType": "application/json", "text": json.dumps(CHAT)}},
        "response": {"status": 200, "content": {"size": 9, "text": json.dumps(ANSWER)}},
    },
    "har-entry-base64": {
        "request": {**POST, "postData": {"text": json.dumps(CHAT)}},
        "response": {"status": 200, "content": {"encoding": "base64", "text": IN_BASE64}},
    },
    "vcrpy": {
        "request": {"method": "POST", "uri": "u", "body": json.dumps(CHAT), "headers": {}},
        "response": {"status": {"code": 200}, "headers": {}, "body": {"string": json.dumps(ANSWER)}},
    },
    "vcr": {
        "request": {"method": "post", "uri": "u", "body": {"encoding": "UTF-8", "string": json.dumps(CHAT)}},
        "response": {"status": {"code": 200}, "body": {"encoding": "ASCII-8BIT", "base64_string": IN_BASE64}},
    },
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_logged_call_is_its_two_bodies(tmp_path: Path, call: Any) -> None:
    """Headers, times and addresses of the log are not measured."""
    bodies, errors = read_bytes(tmp_path, line(call))
    assert [(body.kind, body.document) for body in bodies] == [("ChatRequest", CHAT), ("ChatResponse", ANSWER)]
    assert errors == []


@pytest.mark.parametrize(
    "whole",
    [
        {"log": {"version": "1.2", "entries": [CALLS["har-entry"], CALLS["har-entry-base64"]]}},
        {"version": 1, "interactions": [CALLS["vcrpy"], CALLS["vcrpy"]]},
        {"http_interactions": [CALLS["vcr"], CALLS["vcr"]], "recorded_with": "VCR"},
        [CALLS["helicone"], CALLS["http-messages"]],
        [CHAT, ANSWER, CHAT, ANSWER],
    ],
    ids=["http-archive", "cassette-of-vcrpy", "cassette-of-vcr", "array-of-calls", "array-of-bodies"],
)
def test_file_in_one_line_is_all_its_bodies(tmp_path: Path, whole: Any) -> None:
    """An archive, a cassette or an export."""
    bodies, errors = read_bytes(tmp_path, line(whole))
    assert kinds(bodies) == ["ChatRequest", "ChatResponse"] * 2
    assert errors == []


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ({**POST, "body": CHAT}, ["ChatRequest"]),
        ({"status": 200, "headers": {}, "body": json.dumps(ANSWER)}, ["ChatResponse"]),
        ({"request": {**POST, "body": CHAT}, "response": {"status": 200, "body": EVENTS}},
         ["ChatRequest", "ChatChunk", "ChatChunk"]),
        ({"request": {**POST, "url": "/v1/embeddings", "body": {"input": "x"}},
          "response": {"status": 1, "body": REFUSAL}},
         ["EmbeddingRequest", "EmbeddingResponse"]),
        ({"request": CHAT, "response": None}, ["ChatRequest"]),
        ({"request": {"method": "GET", "url": "u"}, "response": {"status": 200, "content": {"size": 0}}}, ["document"]),
        ({"custom_id": "1", "params": CLAUDE}, ["document"]),
        ({"custom_id": "1", "result": {"type": "succeeded", "message": MESSAGE}}, ["document"]),
    ],
    ids=["request", "answer", "stream", "refused", "no-answer", "no-bodies", "anthropic-batch", "anthropic-result"],
)  # fmt: skip
def test_one_side_of_a_call_is_enough(tmp_path: Path, call: Any, found: list[str]) -> None:
    """What was never sent is no body; an error is what the address or the request asks for."""
    bodies, errors = read_bytes(tmp_path, line(call))
    assert kinds(bodies) == found
    assert errors == []


def test_body_of_a_batch_of_another_api_is_taken_out() -> None:
    """Its envelope never was on the wire to a model."""
    assert [part.value for part in unwrap({"custom_id": "1", "params": CLAUDE})] == [CLAUDE]
    assert [part.value for part in unwrap({"custom_id": "1", "result": {"message": MESSAGE}})] == [MESSAGE]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(VECTORS, "EmbeddingResponse"), (ANSWER, "ChatResponse"), ({"object": "response", "output": []}, "document")],
)
def test_error_in_a_batch_is_of_the_kind_of_the_results_before_it(tmp_path: Path, answer: Any, kind: str) -> None:
    """So that a batch of embeddings holds no chat answers; the kind of a first line is open."""
    results = [
        {"custom_id": "1", "response": {"status_code": 400, "body": body}} for body in (REFUSAL, answer, REFUSAL)
    ]
    assert kinds(read_bytes(tmp_path, b"".join(map(line, results)))[0]) == ["document", kind, kind]


def test_body_inside_that_is_no_json_is_reported(tmp_path: Path) -> None:
    """The other side of the call is read."""
    call = {"request": {**POST, "body": json.dumps(CHAT)}, "response": {"status": 502, "body": "<html>"}}
    bodies, errors = read_bytes(tmp_path, line(call))
    assert kinds(bodies) == ["ChatRequest"]
    assert [(error.line, error.reason[:25]) for error in errors] == [(1, "the body inside: not JSON")]


PLAIN: dict[str, Any] = {
    "request": CHAT,
    "answer": {**ANSWER, "request": {}, "response": {}},
    "chunk": CHUNK,
    "embeddings": TEXTS,
    "array-of-others": [{"candidates": []}, CHAT],
    "array-of-values": [1, "x"],
    "empty-array": [],
    "item-of-a-response": {"type": "message", "role": "assistant", "content": [{"text": "x"}], "status": "completed"},
    "response": {"object": "response", "status": "completed", "output": [], "text": {"format": {}}},
    "event": {"type": "response.created", "response": {"object": "response", "status": "in_progress"}},
    "issue": {"url": "u", "body": "text", "status": "open"},
    "no-call": {"request": None, "response": None},
}


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN)
def test_what_is_no_envelope_stays_whole(value: Any) -> None:
    """Field names that bodies share with logs."""
    assert [part.value for part in unwrap(value)] == [value]
