"""Any codec by content type, whole and streamed."""

from typing import Any

import pytest

from serlab.codecs import codec_names, open_codec, verifying_codecs
from serlab.frames import FrameDecoder
from serlab.messages import ChatChunk, ChatRequest, from_document, to_document
from serlab.wire import Settings, app, model, running
from serlab.wire.api_errors import ApiError
from serlab.wire.content import Content, answer_content, content_of
from tests.wire.helpers import CHAT, HELLO, PATH, bounded, client, request

JSON, FRAMES = Content("application/json", "orjson"), "application/x-serlab-frames"


@pytest.mark.parametrize("codec", verifying_codecs())
def test_every_codec_gets_the_answer_that_json_gets(codec: str) -> None:
    """Request and answer go in the codec; a streamed answer in frames of it."""

    async def work() -> None:
        media = f"application/x-serlab; codec={codec}"
        async with running(Settings(tokens=7)) as server, client(server) as http:
            usual = (await http.post(PATH, json=CHAT)).content
            data = open_codec(codec, "ChatRequest").encode(HELLO)
            answer = await http.post(PATH, content=data, headers={"content-type": media})
            assert answer.headers["content-type"] == media
            found = open_codec(codec, "ChatResponse").decode(answer.content)
            assert found == open_codec("orjson", "ChatResponse").decode(usual)
            data = open_codec(codec, "ChatRequest").encode(request(stream=True))
            answer = await http.post(PATH, content=data, headers={"content-type": media})
            assert answer.headers["content-type"] == f"{FRAMES}; codec={codec}"
            assert text_of(chunks(answer.content, codec)) == found.choices[0].message.content

    bounded(work())


def chunks(data: bytes, codec: str) -> list[ChatChunk]:
    """Read a stream of frames, to its end frame."""
    decoder, bound = FrameDecoder(), open_codec(codec, "ChatChunk")
    found = [bound.decode(payload) for payload in decoder.feed(data)]
    decoder.close()
    return found


def text_of(found: list[Any]) -> str:
    """Join the text of a stream."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in found)


@pytest.mark.parametrize("codec", ["orjson", "msgpack-bin", "protobuf", "flatbuffers"])
def test_vectors_come_back_whatever_the_codec(codec: str) -> None:
    """Embeddings are answered in each format."""

    async def work() -> None:
        media = f"application/x-serlab; codec={codec}"
        asked = from_document("EmbeddingRequest", {"model": "e", "input": ["a", "b"]})
        data = open_codec(codec, "EmbeddingRequest").encode(asked)
        async with running(Settings(dimensions=8)) as server, client(server) as http:
            usual = (await http.post("/v1/embeddings", json=to_document(asked))).json()
            answer = await http.post("/v1/embeddings", content=data, headers={"content-type": media})
            assert to_document(open_codec(codec, "EmbeddingResponse").decode(answer.content)) == usual

    bounded(work())


def test_json_lines_and_events_hold_the_same_chunks() -> None:
    """One line each, or one event each and `[DONE]`."""

    async def work() -> None:
        async with running(Settings(tokens=5)) as server, client(server) as http:
            asked = {**CHAT, "stream": True}
            lines = await http.post(PATH, json=asked, headers={"accept": "application/x-ndjson"})
            events = await http.post(PATH, json=asked)
            assert events.headers["content-type"] == "text/event-stream"
            assert lines.headers["content-type"] == "application/x-ndjson"
            found = lines.text.splitlines()
            assert events.text == "".join(f"data: {line}\n\n" for line in [*found, "[DONE]"]) and len(found) == 7

    bounded(work())


def test_answer_may_have_another_format_than_the_request() -> None:
    """`Accept` decides, the most wanted that is known first."""
    assert answer_content("application/x-protobuf", JSON, False) == Content("application/x-protobuf", "protobuf")
    assert answer_content("text/html, application/msgpack;q=0.5", JSON, False) == Content(
        "application/msgpack", "msgpack"
    )
    assert answer_content("application/json;q=0.1, application/msgpack", JSON, False).codec == "msgpack"
    assert answer_content("application/json; codec=msgspec-json", JSON, True) == Content(
        "text/event-stream", "msgspec-json"
    )
    assert answer_content("", Content("application/x-protobuf", "protobuf"), True) == Content(FRAMES, "protobuf")
    assert answer_content("application/x-serlab-frames; codec=json", JSON, True).codec == "json"


@pytest.mark.parametrize(
    ("header", "codec"),
    [
        ("", "orjson"),
        ("application/json; charset=utf-8", "orjson"),
        ("application/vnd.msgpack", "msgpack"),
        ("Application/Protobuf", "protobuf"),
        ('application/x-flatbuffers; codec="flatbuffers"', "flatbuffers"),
        ("application/msgpack; codec=msgspec-msgpack-bin", "msgspec-msgpack-bin"),
    ],
)
def test_content_type_names_a_codec(header: str, codec: str) -> None:
    """Other names of a type are known, and parameters that mean nothing here are passed over."""
    assert content_of(header).codec == codec


@pytest.mark.parametrize(
    "header", ["text/plain", "application/json; codec=protobuf", "application/json; codec=orjsn", "text/event-stream"]
)
def test_unknown_content_type_is_refused(header: str) -> None:
    """So is a codec of another format than the type."""
    with pytest.raises(ApiError) as caught:
        content_of(header)
    assert caught.value.status == 415


@pytest.mark.parametrize("codec", sorted({*codec_names()} - {*verifying_codecs()}))
@pytest.mark.parametrize("media", ["application/x-flatbuffers", "application/x-serlab"])
def test_codec_that_trusts_its_bytes_is_not_offered(media: str, codec: str) -> None:
    """Neither to read a request nor to write an answer; the refusal lists what there is."""

    async def work() -> None:
        named = f"{media}; codec={codec}"
        async with running() as server, client(server) as http:
            data = open_codec(codec, "ChatRequest").encode(HELLO)
            for path in (PATH, "/echo"):
                headers = {"content-type": named, "x-serlab-kind": "ChatRequest"}
                answer = await http.post(path, content=data, headers=headers)
                assert answer.status_code == 415
                assert all(name in answer.json()["error"]["message"] for name in verifying_codecs())
            accepts = [named, f"application/x-serlab-frames; codec={codec}"]
            answers = [await http.post(PATH, json=CHAT, headers={"accept": accept}) for accept in accepts]
            assert [answer.status_code for answer in answers] == [406, 406]

    bounded(work())


def test_refusals_over_http_are_json_in_the_apis_shape() -> None:
    """Wrong type, wrong accept, wrong bytes, wrong path and wrong method."""

    async def work() -> None:
        async with running() as server, client(server) as http:
            binary = {"content-type": "application/x-protobuf"}
            answers = [
                await http.post(PATH, content=b"x", headers={"content-type": "text/plain"}),
                await http.post(PATH, json=CHAT, headers={"accept": "text/html"}),
                await http.post(PATH, content=b"\xff\xff", headers=binary),
                await http.post("/v1/nothing", json=CHAT),
                await http.get(PATH),
            ]
            assert [answer.status_code for answer in answers] == [415, 406, 400, 404, 405]
            assert all(answer.json()["error"]["message"] for answer in answers)
            assert server.stats.refused == 5

    bounded(work())


def test_request_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is all in memory."""
    monkeypatch.setattr(app, "MAX_BODY_BYTES", 1000)

    async def work() -> None:
        async with running() as server, client(server) as http:
            assert (await http.post(PATH, content=b" " * 1001)).status_code == 413
            assert (await http.post(PATH, json=CHAT)).status_code == 200

    bounded(work())


def test_mistake_of_the_server_is_a_500_and_in_its_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is not told what it was, and the server serves on."""

    async def work() -> None:
        async with running() as server, client(server) as http:
            with monkeypatch.context() as patch:
                patch.setitem(model.FORMS, ChatRequest, model.FORMS[ChatRequest]._replace(whole=planted))
                answer = await http.post(PATH, json=CHAT)
            assert answer.status_code == 500 and "planted" not in answer.text
            assert server.stats.failed == 1 and server.stats.active == 0
            assert (await http.post(PATH, json=CHAT)).status_code == 200

    bounded(work())
    assert "planted" in caplog.text


def planted(_: Any) -> Any:
    """Make a mistake."""
    raise ZeroDivisionError("planted")
