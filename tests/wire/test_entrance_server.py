"""One way in: with `decode_untrusted` made to raise, nothing that a stranger sends is taken by anybody.

As it is, what is long, deep or odd but honest comes through each entrance equal.
"""

import ast
import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import msgspec
import pytest

from serlab import codecs
from serlab.codecs import open_codec, verifying_codecs
from serlab.corpus import read
from serlab.errors import DecodeError
from serlab.messages import from_document
from serlab.wire import Addresses, running, spawned
from serlab.wire.cache import Bounded, Compressed
from serlab.wire.clients import TRANSPORTS, BrokenError, Client
from serlab.wire.content import ALIASES, EVENTS, FORMATS, FRAMES, LINES, STREAM_FORMS
from serlab.wire.echo import Echo
from serlab.wire.transport import PATHS, Reply
from tests.conftest import ROOT
from tests.support.corpora import ANSWER, CHAT, line, read_bytes
from tests.support.corpora import EVENTS as RECORDED
from tests.wire.cachehelpers import EMBEDDED, answer, cache_on
from tests.wire.clienthelpers import HTTP_ARMS, PROMPT, messages, opened
from tests.wire.helpers import HANG_S, HELLO, bounded, trust

PLANTED = "planted: no message"
VECTORS = from_document("EmbeddingRequest", {"model": "e", "input": "a"})
REQUESTS: dict[str, Any] = {"ChatRequest": HELLO, "GenerateRequest": PROMPT, "EmbeddingRequest": VECTORS}
MEDIA = {
    **{media: names[0] for media, names in FORMATS.items()},
    **{alias: FORMATS[media][0] for alias, media in ALIASES.items() if media in FORMATS},
    **{f"application/x-serlab; codec={codec}": codec for codec in verifying_codecs()},
}
"""Content type → its codec: every way to name one."""


def refuse(codec: Any, data: bytes) -> Any:
    """Take nothing."""
    raise DecodeError(PLANTED)


@pytest.fixture
def shut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shut the way in, in this process."""
    monkeypatch.setattr(codecs, "decode_untrusted", refuse)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Addresses]:
    """Return a server in another process, whose way in is open."""
    with spawned() as addresses:
        yield addresses


@pytest.mark.parametrize("address", ["http", "https"])
@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.usefixtures("shut")
def test_no_request_over_http_is_taken(address: str, http2: bool) -> None:
    """Every path, whole and streamed, in every content type: each is answered as bad bytes are."""

    async def work() -> None:
        async with running() as server:
            url, verify = getattr(server.addresses, address), trust(server.addresses)
            versions: dict[str, Any] = {"http1": not http2, "http2": http2, "verify": verify}
            async with httpx2.AsyncClient(base_url=url, timeout=HANG_S, trust_env=False, **versions) as http:
                count = 0
                for path, kind, streams in ways():
                    for media, codec in MEDIA.items():
                        data = open_codec(codec, kind).encode(asking(kind, streams))
                        headers = {"content-type": media, "x-serlab-kind": kind}
                        found = await http.post(path, content=data, headers=headers)
                        assert found.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
                        assert (found.status_code, found.json()["error"]["message"]) == (400, PLANTED), (path, media)
                        count += 1
            assert server.stats.refused == count > 100 and server.stats.completed == 0

    bounded(work())


def ways() -> list[tuple[str, str, bool]]:
    """List the paths that take messages, with the kind and whether a stream is asked for."""
    found = [(path, kinds.request, streams) for path, kinds in PATHS.items() for streams in (False, bool(kinds.piece))]
    return [*dict.fromkeys(found), *(("/echo", kind, False) for kind in REQUESTS)]


def asking(kind: str, streams: bool) -> Any:
    """Return a request, one for a stream where that is wanted."""
    message = REQUESTS[kind]
    document = {**json.loads(open_codec("json", kind).encode(message)), **({"stream": True} if streams else {})}
    return from_document(kind, document)


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.usefixtures("shut")
def test_no_request_over_grpc_is_taken(secure: bool) -> None:
    """Unary, one that streams its answer, each of a conversation, and a message that is echoed."""

    async def work() -> None:
        async with running() as server, channel(server.addresses, secure) as way:
            chat, prompt = (open_codec("protobuf", kind).encode(REQUESTS[kind]) for kind in [*REQUESTS][:2])
            told = (("x-serlab-content", "application/x-protobuf"), ("x-serlab-kind", "ChatRequest"))
            calls = [
                way.unary_unary("/serlab.LLMService/Generate")(prompt),
                way.unary_stream("/serlab.LLMService/GenerateStream")(prompt),
                way.stream_stream("/serlab.LLMService/Chat")(conversation(chat)),
                way.unary_unary("/serlab.Echo/Echo")(chat, metadata=told),
            ]
            for call in calls:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await (call if isinstance(call, grpc.aio.UnaryUnaryCall) else call.read())
                assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT and caught.value.details() == PLANTED
            assert server.stats.completed == 0

    bounded(work())


def channel(addresses: Addresses, secure: bool) -> Any:
    """Open a channel."""
    if not secure:
        return grpc.aio.insecure_channel(addresses.grpc)
    credentials = grpc.ssl_channel_credentials(Path(addresses.ca_file).read_bytes())
    return grpc.aio.secure_channel(addresses.grpcs, credentials)


async def conversation(data: bytes) -> AsyncIterator[bytes]:
    """Say one thing."""
    yield data


@pytest.mark.parametrize("arm", TRANSPORTS)
@pytest.mark.usefixtures("shut")
def test_no_answer_of_a_server_is_taken(elsewhere: Addresses, arm: str) -> None:
    """By any client: whole, streamed in each form (events, lines, frames, gRPC's messages), and echoed."""

    async def work() -> None:
        async with opened(arm, elsewhere) as transport:
            for codec in verifying_codecs() if arm in HTTP_ARMS else ("protobuf",):
                with pytest.raises(BrokenError, match=PLANTED):
                    await Client(transport, "GenerateRequest", codec).call(PROMPT)
                with pytest.raises(DecodeError, match=PLANTED):
                    await Echo(transport, "ChatRequest", codec).call(HELLO)
                with pytest.raises(DecodeError, match=PLANTED):
                    await Echo(transport, "ChatRequest", codec).call_in_thread(HELLO)
                for form in forms_of(codec) if arm in HTTP_ARMS else ("",):
                    with pytest.raises(BrokenError, match=PLANTED):
                        await messages(Client(transport, "ChatRequest", codec, form), HELLO)

    bounded(work())


def forms_of(codec: str) -> tuple[str, ...]:
    """List the forms that a stream of a codec may have."""
    return (EVENTS, LINES, FRAMES) if "json" in codec else (FRAMES,)


@pytest.mark.parametrize("wrapped", [lambda codec: codec, Compressed])
@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.usefixtures("shut")
def test_no_cached_answer_is_taken(name: str, wrapped: Any) -> None:
    """It counts as corrupt, and is a miss; of a Redis the test is with the others of Redis."""

    async def work(backend: Bounded) -> None:
        cache = cache_on(backend)
        cache.codec = wrapped(cache.codec)
        key = cache.key(HELLO)
        await cache.put(key, answer())
        assert await cache.get(key) is None
        assert (cache.stats.corrupt, cache.stats.hits) == (1, 0)
        await cache.close()

    bounded(work(EMBEDDED[name](1 << 20)))


BATCH = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": CHAT}
PAIR = {"request": json.dumps(CHAT), "response": json.dumps(ANSWER)}


@pytest.mark.parametrize("written", [line(CHAT), RECORDED.encode(), line(BATCH), line(PAIR), line(RECORDED)])
@pytest.mark.parametrize("packed", [lambda data: data, gzip.compress])
@pytest.mark.usefixtures("shut")
def test_no_line_of_a_corpus_is_taken(tmp_path: Path, written: bytes, packed: Any) -> None:
    """Bodies, events, envelopes, compressed or not: each is reported as a line that cannot be read."""
    path, errors = tmp_path / "corpus", []  # type: Path, list[CorpusError]
    path.write_bytes(packed(written))
    assert list(read(path, on_error=errors.append)) == []
    assert errors and all(PLANTED in error.reason for error in errors)


def test_json_text_inside_a_line_is_read_by_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands as text in a pair is a stranger's too: here the outer line is taken, and the texts stay texts."""
    whole = codecs.decode_untrusted
    monkeypatch.setattr(codecs, "decode_untrusted", lambda codec, data: pick(whole, codec, data))
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(line(PAIR))
    assert [body.document for body in read(path)] == [*PAIR.values()]


def pick(whole: Any, codec: Any, data: bytes) -> Any:
    """Take a pair, but not what is in it."""
    return whole(codec, data) if b'"request"' in data else refuse(codec, data)


WIDE = [{"token": f" t{i}", "logprob": -0.25 - i, "bytes": [32, 116], "top_logprobs": []} for i in range(20)]
HONEST: dict[str, list[Any]] = {
    "ChatRequest": [
        {"model": "m", "messages": [{"role": "user", "content": f"turn {i}, é€\U0001f600"} for i in range(2000)]},
        {
            "model": "m",
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": f"data:{i};base64," + "QUJD" * 100_000}}],
                }
                for i in range(2)
            ],
        },
        {
            "model": "m",
            "messages": [{"role": "user", "content": ""}],
            "metadata": {"a/b": {"~": [[[]] * 50, None, 2**53 - 1, ""]}, "": {}},
            "tools": [
                {"type": "function", "function": {"name": f"f{i}", "parameters": {"p": [{"enum": [1, None]}] * 20}}}
                for i in range(300)
            ],
            **{f"unknown {i}": i for i in range(300)},
        },
    ],
    "ChatResponse": [
        {"id": "a", "choices": [{"index": 0, "logprobs": {"content": [{**WIDE[0], "top_logprobs": WIDE}] * 200}}]},
        {
            "id": "b",
            "choices": [{"index": i, "message": {"role": "assistant", "content": "x" * i}} for i in range(600)],
        },
    ],
    "ChatChunk": [
        {"id": "a", "choices": [{"index": 0, "delta": {"content": "é" * 200_000}}]},
        {"id": "b", "choices": [{"index": i, "delta": {}} for i in range(500)]},
    ],
    "EmbeddingResponse": [
        {"model": "m", "data": [{"index": i, "embedding": [k / 128 for k in range(1024)]} for i in range(20)]}
    ],
    "GenerateRequest": [{"model": "m", "prompt_token_ids": [100_000 + i % 50_000 for i in range(100_000)]}],
}
"""Kind → documents as long, deep and odd as honest ones are."""


def honest(*kinds: str) -> list[tuple[str, Any]]:
    """List honest messages with their kinds."""
    return [(kind, from_document(kind, one)) for kind in kinds or HONEST for one in HONEST[kind]]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("arm", ["http", "http2-tls", "grpc"])
def test_honest_messages_come_back_equal(elsewhere: Addresses, arm: str) -> None:
    """From a server, in every content type; over gRPC by itself and as one of a conversation."""

    async def work() -> None:
        async with opened(arm, elsewhere) as transport:
            for kind, message in honest():
                for codec in [*FORMATS.values(), *([name] for name in ("json", "msgspec-json", "msgspec-msgpack"))]:
                    assert await Echo(transport, kind, codec[0]).call(message) == message, (kind, codec)
            for kind, message in honest("ChatRequest", "GenerateRequest"):
                for codec in ("orjson", "msgpack", "protobuf", "flatbuffers") if arm in HTTP_ARMS else ("protobuf",):
                    short = msgspec.structs.replace(message, max_tokens=3)
                    assert await messages(Client(transport, kind, codec), short), (kind, codec)

    bounded(work(), 4 * HANG_S)


class Told:
    """Answers what it was given, in pieces that end anywhere."""

    opened = 1

    def __init__(self, data: list[bytes], messages: bool = False) -> None:
        self.data, self.messages = data, messages

    async def call(self, payload: Any) -> Reply:
        """Return a whole answer."""
        return Reply(self.data[0], 0, 0, 0)

    async def stream(self, payload: Any) -> AsyncGenerator[tuple[bytes, int], None]:
        """Yield a stream: messages as they are, anything else cut."""
        whole = b"".join(self.data)
        for piece in self.data if self.messages else [whole[i : i + 60_000] for i in range(0, len(whole), 60_000)]:
            yield piece, 0

    async def close(self) -> None:
        """Do nothing: nothing is open."""


def test_honest_answers_are_read_by_a_client() -> None:
    """Whole, as events, lines and frames, and as messages of gRPC."""

    async def work() -> None:
        answers, pieces = ([one for _, one in honest(kind)] for kind in ("ChatResponse", "ChatChunk"))
        for codec in verifying_codecs():
            whole, piece = open_codec(codec, "ChatResponse"), open_codec(codec, "ChatChunk")
            for one in answers:
                found = await Client(Told([whole.encode(one)]), "ChatRequest", codec).call(HELLO)
                assert found.message == one, codec
            data = [piece.encode(one) for one in pieces]
            for form in forms_of(codec):
                wrapped = [STREAM_FORMS[form].wrap(one, i) for i, one in enumerate(data)] + [
                    STREAM_FORMS[form].end(len(data))
                ]
                assert await messages(Client(Told(wrapped), "ChatRequest", codec, form), HELLO) == pieces, (codec, form)
        data = [open_codec("protobuf", "ChatChunk").encode(one) for one in pieces]
        assert await messages(Client(Told(data, messages=True), "ChatRequest", "protobuf"), HELLO) == pieces

    bounded(work())


@pytest.mark.parametrize("name", EMBEDDED)
def test_honest_answers_are_found_in_a_cache(name: str) -> None:
    """In every codec that a cache may have, compressed or not."""

    async def work(backend: Bounded) -> None:
        for codec in verifying_codecs():
            for wrapped in (open_codec(codec, "ChatResponse"), Compressed(open_codec(codec, "ChatResponse"))):
                cache = cache_on(backend)
                cache.codec = wrapped
                for _, one in honest("ChatResponse"):
                    await cache.put(cache.key(HELLO), one)
                    assert await cache.get(cache.key(HELLO)) == one, codec
        await backend.close()

    bounded(work(EMBEDDED[name](1 << 26)))


@pytest.mark.parametrize("packed", [lambda data: data, gzip.compress])
def test_honest_lines_of_a_corpus_are_read(tmp_path: Path, packed: Any) -> None:
    """By themselves, as an event, and as text in a pair."""
    for documents in HONEST.values():
        for one in documents:
            pair = {"request": json.dumps(one), "response": json.dumps(ANSWER)}
            event = f"data: {json.dumps(one)}\n\ndata: [DONE]\n\n".encode()
            bodies, errors = read_bytes(tmp_path, packed(line(one) + event + line(pair)))
            assert errors == [] and [body.document for body in bodies] == [one, one, one, ANSWER]


OTHERS = {"convert", "deserialize", "FromString", "ParseFromString", "MergeFromString", "loads", "unpackb", "relay"}
"""Calls that make messages of bytes, or of what a library has made of them."""
OWN = ("pools", "experiments", "process.py")
"""Parts of the service that read what their own process, or its child, has written."""
SPARED = {
    # Of `Compressed`, which unpacks and goes the one way, and of the cache, which asks it.
    "serlab/wire/cache/cache.py": ["self.codec.decode", "self.decode"],
    # What a parent and its child tell each other.
    "serlab/wire/delay.py": ["msgspec.json.decode"] * 3,
    "serlab/wire/heavy.py": ["pickle.loads"],
    "serlab/wire/jobs.py": ["pickle.loads"],
}
"""Module → its calls that look like decoding."""


def test_nobody_else_decodes() -> None:
    """No module that meets strangers calls a codec, or a codec's library, by itself."""
    files = [path for path in (ROOT / "serlab" / "wire").rglob("*.py") if not {*path.parts} & {*OWN}]
    files += [ROOT / "serlab" / name for name in ("corpus.py", "kinds.py", "sse.py", "frames.py")]
    found = {str(path.relative_to(ROOT)): calls for path in files if (calls := decoding(path))}
    assert found.items() <= SPARED.items() and len(files) > 30


def decoding(path: Path) -> list[str]:
    """List the calls in a module that may decode a message."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [ast.unparse(call.func) for call in calls if isinstance(call.func, ast.Attribute) and decodes(call)]


def decodes(call: Any) -> bool:
    """Tell a call that may decode a message; `decode` without a value, or with an encoding's name, is that of bytes."""
    if call.func.attr != "decode":
        return call.func.attr in OTHERS
    raw = any("Raw" in ast.unparse(keyword.value) for keyword in call.keywords)
    return not raw and any(not isinstance(value, ast.Constant) for value in call.args)
