"""Bad headers and bad bytes: a clear refusal each, never a 500, and the server goes on."""

import asyncio
import gzip
import json
from random import Random
from typing import Any, NamedTuple

import grpc
import httpx2
import msgpack
import pytest

from serlab.codecs import codec_info, open_codec, verifying_codecs
from serlab.generated import llm_pb2
from serlab.wire import ModelServer, running
from serlab.wire.content import ALIASES, FORMATS
from serlab.wire.settings import MAX_BODY_BYTES
from tests.wire.helpers import CHAT, HANG_S, HELLO, PATH, bounded, client, until

BODY = json.dumps(CHAT).encode()
BINARY = msgpack.packb(CHAT)
ODD = json.dumps({**CHAT, "model": "\ud800"}).encode()
"""A model's name that JSON has and UTF-8 has not."""


class Sent(NamedTuple):
    """A request as it stands on the wire, and the statuses that it may get.

    Attributes:
        statuses: the first is what it gets here; HTTP/2 has other rules for some headers.
        headers: pairs, as bytes.
        body: of the request.
        line: method and target.
    """

    statuses: tuple[int, ...]
    headers: tuple[tuple[str, bytes], ...]
    body: bytes = BODY
    line: str = f"POST {PATH}"


def header(name: str, value: bytes | str, *statuses: int, **changes: Any) -> Sent:
    """Make a request with one header."""
    return Sent(statuses, ((name, value.encode("latin-1") if isinstance(value, str) else value),), **changes)


def echoed(kind: bytes, media: bytes, *statuses: int) -> Sent:
    """Make a request for an echo."""
    return Sent(statuses, (("x-serlab-kind", kind), ("content-type", media)), line="POST /echo")


JSON_CODEC = ("content-type", b"application/json; codec=json")
HOSTILE = {
    "accept-q-superscript": header("accept", "a/b;q=²", 406),
    "accept-q-superscript-json": header("accept", "application/json;q=²", 406),
    "accept-q-beside-a-good-one": header("accept", "a/b;q=², application/json;q=0.5", 200),
    "accept-q-nan": header("accept", "application/json;q=nan", 406),
    "accept-q-inf": header("accept", "application/json;q=inf", 406),
    "accept-q-exponent": header("accept", "application/json;q=1e400", 406),
    "accept-q-above-one": header("accept", "application/json;q=1.5", 406),
    "accept-q-dots": header("accept", "application/json;q=..", 406),
    "accept-q-empty": header("accept", "application/json;q=", 406),
    "accept-q-zero": header("accept", "application/json;q=0.000", 406),
    "accept-q-low": header("accept", "application/json;q=0.001", 200),
    "accept-bytes": header("accept", b"\xff\xfe;\xff=\xff", 406),
    "accept-commas": header("accept", "," * 1000, 406),
    "accept-long": header("accept", "a/b," * 10_000, 431),
    "accept-open-quote": header("accept", 'application/json;codec="', 200),
    "accept-no-such-codec": header("accept", "application/x-serlab; codec=\xff", 406),
    "type-bytes": header("content-type", b"application/\xff", 415),
    "type-semicolons": header("content-type", "application/json" + ";" * 900, 200),
    "type-equals": header("content-type", "application/json;=;==;codec", 200),
    "type-long": header("content-type", "application/json; x=" + "x" * 10_000, 431),
    "type-codec-bytes": header("content-type", b"application/x-serlab; codec=\xff\xfe", 415),
    "type-of-a-stream": header("content-type", "application/x-serlab-frames; codec=orjson", 415),
    "encoding-gzip": header("content-encoding", "gzip", 415, body=gzip.compress(BODY)),
    "encoding-several": header("content-encoding", "identity, gzip", 415),
    "encoding-bytes": header("content-encoding", b"\xff", 415),
    "encoding-none": header("content-encoding", " Identity ", 200),
    "length-negative": header("content-length", "-1", 400),
    "length-sign": header("content-length", "+5", 400),
    "length-superscript": header("content-length", "²", 400),
    "length-endless": header("content-length", "9" * 40, 400),
    "length-list": header("content-length", "5, 6", 400),
    "transfer-unknown": header("transfer-encoding", "x", 400),
    "transfer-no-chunks": header("transfer-encoding", "chunked", 400),
    "host-open-bracket": header("host", "[::1", 200),
    "host-bytes": header("host", b"\xff", 200, 400),
    "host-and-a-slash": header("host", "[::1", 404, body=b"", line="GET /stats/"),
    "deadline-superscript": header("x-serlab-deadline-ms", "²", 400),
    "deadline-digits": header("x-serlab-deadline-ms", "9" * 5000, 400),
    "coalesce-superscript": header("x-serlab-coalesce", "²", 400),
    "envelope-bytes": header("x-serlab-envelope", b"\xff", 400),
    "fault-bytes": header("x-serlab-fault", b"\xff" * 5000, 400),
    "expect-unknown": header("expect", "200-maybe", 200, 417),
    "upgrade": Sent(
        (405,), (("connection", b"Upgrade"), ("upgrade", b"websocket")), body=b"", line=f"GET {PATH}"
    ),
    "path-no-utf8": Sent((404,), (), b"", "GET /%ff%fe"),
    "path-surrogate": Sent((404,), (), b"", "GET /%ed%a0%80"),
    "path-newline": Sent((404,), (), line=f"POST {PATH}%0A"),
    "path-newline-echo": Sent((404,), (("content-type", b"application/octet-stream"),), line="POST /echo%0A"),
    "path-newline-stats": Sent((404,), (), b"", "GET /stats%0A"),
    "path-half-escape": Sent((404,), (), b"", "GET /%"),
    "kind-bytes": echoed(b"\xff", b"application/json", 400),
    "kind-long": echoed(b"k" * 50_000, b"application/json", 400),
    "kind-without-schema": echoed(b"document", b"application/x-protobuf", 400),
    "type-comes-back": echoed(b"ChatRequest", b"application/json; x=\xff", 200),
    "model-no-utf8": Sent((400,), (JSON_CODEC, ("accept", b"application/x-protobuf")), ODD),
    "model-no-utf8-stream": Sent(
        (400,),
        (JSON_CODEC, ("accept", b"application/x-serlab-frames; codec=protobuf")),
        ODD.replace(b"{", b'{"stream":true,', 1),
    ),
}  # fmt: skip


def test_hostile_headers_are_refused_and_the_server_lives() -> None:
    """Over a raw connection, as no client would send them."""

    async def work() -> None:
        async with running() as server:
            found = {name: await raw(server, sent) for name, sent in HOSTILE.items()}
            assert {name: status for name, status in found.items() if status not in HOSTILE[name].statuses} == {}
            assert server.stats.failed == 0
            async with client(server) as http:
                assert (await http.post(PATH, json=CHAT)).status_code == 200

    bounded(work())


async def raw(server: ModelServer, sent: Sent) -> int:
    """Send a request over HTTP/1.1 and give the status of its answer."""
    host, _, port = server.addresses.http.removeprefix("http://").rpartition(":")
    usual = (("host", b"h"), ("content-length", str(len(sent.body)).encode()), ("connection", b"close"))
    named = {name for name, _ in sent.headers}
    given = [*sent.headers, *(pair for pair in usual if pair[0] not in named)]
    head = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in given)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"{sent.line} HTTP/1.1\r\n".encode() + head + b"\r\n" + sent.body)
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


HEAD = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n%s\r\n\r\n%s"
UNREADABLE = {
    "no chunk": (b"transfer-encoding: chunked", b"zz\r\nabc"),
    "half a chunk": (b"transfer-encoding: chunked", b"5\r\nab"),
    "less than the length": (b"content-length: 100", b"abc"),
}


def test_body_that_breaks_off_or_cannot_be_read_is_a_400_and_counted() -> None:
    """Whether or not the client stays to hear it: the server's library does not tell."""

    async def work() -> None:
        async with running() as server:
            port, count = int(server.addresses.http.rpartition(":")[2]), 0
            for path in (PATH, "/echo"):
                for name, (header, body) in UNREADABLE.items():
                    for stays in (True, False):
                        reader, writer = await asyncio.open_connection("127.0.0.1", port)
                        writer.write(HEAD % (path.encode(), header, body))
                        await writer.drain()
                        count += 1
                        if stays:
                            writer.write_eof()
                            answer = await reader.read()
                            assert answer.startswith(b"HTTP/1.1 400") and b'"incomplete_body"' in answer, name
                        writer.close()
                        assert await until(lambda: server.stats.refused == count), name  # noqa: B023
            assert server.stats.failed == server.stats.cancelled == server.stats.held == server.peers.underway == 0

    bounded(work())


def test_hostile_headers_are_refused_over_http2_too() -> None:
    """Those that say nothing of the connection."""
    own = ("content-length", "transfer-encoding", "host", "connection", "upgrade", "expect")
    sent = {name: one for name, one in HOSTILE.items() if not {key for key, _ in one.headers} & {*own}}

    async def work() -> None:
        async with running() as server:
            options: dict[str, Any] = {"http1": False, "http2": True, "timeout": HANG_S, "trust_env": False}
            async with httpx2.AsyncClient(base_url=server.addresses.http, **options) as http:
                found = {}
                for name, one in sent.items():
                    method, _, path = one.line.partition(" ")
                    heads = [(key.encode(), value) for key, value in one.headers]
                    found[name] = (await http.request(method, path, content=one.body, headers=heads)).status_code
            assert {name: status for name, status in found.items() if status not in sent[name].statuses} == {}
            assert server.stats.failed == 0 and len(sent) > 35

    bounded(work())


def garbage(codec: str) -> list[bytes]:
    """Make bytes that are no message of a codec, and some that are one of the wrong shape."""
    whole, random = open_codec(codec, "ChatRequest").encode(HELLO), Random(codec)
    # What has a schema does not tell its own end: the last byte may be padding.
    cut = [whole[: len(whole) // 2], whole[1:], *([] if codec_info(codec).schema else [whole[:-1]])]
    noise = [random.randbytes(size) for size in (1, 7, 100, 5000)]
    levels = [b"[" * 100_000, b'{"a":' * 20_000, b"\x91" * 100_000, b"\x0a" * 100_000]
    return [
        b"",
        b"\0",
        b"\xff" * 64,
        b"null",
        b"[]",
        b"5",
        b'{"model":',
        b"\xc1",
        b"\x81\x01\x02",
        *cut,
        *noise,
        *levels,
    ]


@pytest.mark.parametrize("media", [*FORMATS, *(f"application/x-serlab; codec={codec}" for codec in verifying_codecs())])
def test_bad_bytes_are_a_400_with_one_line(media: str) -> None:
    """In every content type; it names the codec or the parameter, and nothing of the server."""
    codec = media.partition("codec=")[2] or FORMATS[ALIASES.get(media, media)][0]

    async def work() -> None:
        async with running() as server, client(server) as http:
            for data in garbage(codec):
                answer = await http.post(PATH, content=data, headers={"content-type": media})
                error = answer.json()["error"]
                assert (answer.status_code, error["type"]) == (400, "invalid_request_error"), data[:40]
                assert error["code"] in ("invalid_body", "invalid_value")
                text = error["message"]
                assert text.isprintable() and 20 < len(text) <= 1000 and "Traceback" not in text
                assert text.startswith((f"{codec}: ", "model: ", "messages: ")), text
            assert server.stats.failed == server.stats.active == 0
            assert (await http.post(PATH, json=CHAT)).status_code == 200

    bounded(work())


def test_body_as_deep_as_a_codec_takes_is_no_fault_of_the_server() -> None:
    """It is answered, or refused as a body: what an answer is made from looks at all levels, too."""
    open_json, open_msgpack = BODY[:-1] + b', "metadata": ', bytes([BINARY[0] + 1]) + BINARY[1:] + b"\xa8metadata"

    async def work() -> None:
        async with running() as server, client(server) as http:
            for levels in (300, 900, 980, 990, 1000, 1010, 1020):
                for media, data in {
                    "application/json": open_json + b"[" * levels + b"]" * levels + b"}",
                    "application/msgpack": open_msgpack + b"\x91" * levels + b"\x05",
                }.items():
                    answer = await http.post(PATH, content=data, headers={"content-type": media})
                    assert answer.status_code in (200, 400), (levels, answer.text)
            assert (await http.post(PATH, json=CHAT)).status_code == 200

    bounded(work())


METHODS = ("Generate", "GenerateStream", "Chat")


@pytest.mark.parametrize("method", METHODS)
def test_bad_bytes_over_grpc_are_an_invalid_argument_with_the_codecs_words(method: str) -> None:
    """As over HTTP; grpc's own deserializer would call it UNKNOWN."""

    async def work() -> None:
        async with running() as server, grpc.aio.insecure_channel(server.addresses.grpc) as way:
            for data in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" * 1000, b"\x0a\x02\xff\xfe"):
                error = await refused(way, method, data)
                assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, data[:10]
                assert str(error.details()).startswith("protobuf: ") and str(error.details()).isprintable()
            assert server.stats.refused == 4 and server.stats.active == 0

    bounded(work())


async def refused(way: Any, method: str, data: bytes, **options: Any) -> Any:
    """Call a method with bytes and give the error."""
    name = f"/serlab.LLMService/{method}"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        if method == "Generate":
            await way.unary_unary(name)(data, **options)
        elif method == "GenerateStream":
            await way.unary_stream(name)(data, **options).read()
        else:
            await way.stream_stream(name)(iter([data]), **options).read()
    return caught.value


@pytest.mark.parametrize("method", METHODS)
def test_grpc_takes_no_more_than_a_codec_does(method: str) -> None:
    """One byte above `max_bytes` is not even received; a message that grows too much is refused before it is built."""

    async def work() -> None:
        send = [("grpc.max_send_message_length", -1)]
        async with running() as server, grpc.aio.insecure_channel(server.addresses.grpc, options=send) as way:
            error = await refused(way, method, bytes(MAX_BODY_BYTES + 1))
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            error = await refused(way, method, growing("ChatRequest" if method == "Chat" else "GenerateRequest"))
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and "limit max_" in str(error.details())
            assert server.stats.completed == 0

    bounded(work())


def growing(kind: str) -> bytes:
    """Make a message of 4 MB and two million empty ones, of two bytes each."""
    cls: Any = getattr(llm_pb2, kind)
    number = cls.DESCRIPTOR.fields_by_name["extra"].number
    tag = number << 3 | 2
    head = bytes([tag]) if tag < 0x80 else bytes([tag & 0x7F | 0x80, tag >> 7])
    return (head + b"\0") * (4_000_000 // (len(head) + 1))


@pytest.mark.parametrize("packing", [grpc.Compression.Gzip, grpc.Compression.Deflate])
@pytest.mark.parametrize("method", METHODS)
def test_grpc_unpacks_nothing(method: str, packing: grpc.Compression) -> None:
    """It would be unpacked before anybody looks at its length."""

    async def work() -> None:
        async with running() as server, grpc.aio.insecure_channel(server.addresses.grpc) as way:
            errors = [await refused(way, method, b"\x0a" + bytes(100_000), compression=packing) for _ in range(10)]
            codes = {error.code() for error in errors}
            # Where the refusal is there before all is sent, gRPC's client says of a stream that it could not send.
            could_not_send = {grpc.StatusCode.INTERNAL} if method == "Chat" else set()
            assert codes <= {grpc.StatusCode.UNIMPLEMENTED, *could_not_send} and server.stats.refused == 0

    bounded(work())
