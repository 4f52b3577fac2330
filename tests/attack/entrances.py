"""The ways in: what is called with the bytes of a stranger.

A codec belongs to a format; formats are written by `documents`, `wire` and `tables`.
"""

import asyncio
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from serlab import corpus, sse
from serlab.codecs import open_codec
from serlab.codecs.flatbuffers import verify
from serlab.errors import SerlabError
from serlab.frames import FrameDecoder, encode_frame
from serlab.limits import UNLIMITED
from serlab.wire.transport import PATHS
from tests.attack.documents import json, msgpack
from tests.attack.recipe import Render
from tests.attack.tables import flatbuffers
from tests.attack.wire import protobuf

RENDERS: dict[str, Render] = {"json": json, "msgpack": msgpack, "protobuf": protobuf, "flatbuffers": flatbuffers}

FORMS = {
    "json": "json", "orjson": "json", "msgspec-json": "json", "msgpack": "msgpack", "msgspec-msgpack": "msgpack",
    "protobuf": "protobuf", "flatbuffers": "flatbuffers", "json-base64": "json", "orjson-base64": "json",
    "msgspec-json-base64": "json", "msgpack-bin": "msgpack", "msgspec-msgpack-bin": "msgpack",
}  # fmt: skip
"""The codecs that verify, and the format of each; those that only keep nothing between calls read alike."""

USUAL = ("json", "orjson", "msgspec-json", "msgpack", "msgspec-msgpack", "protobuf", "flatbuffers")

UNGUARDED = "-unlimited"
"""What the name of a codec ends with that has no limits: a search that finds nothing in it looks at nothing."""


def bound(codec: str, kind: str) -> Any:
    """Open a codec, without limits if its name says so."""
    if codec.endswith(UNGUARDED):
        return open_codec(codec.removesuffix(UNGUARDED), kind, UNLIMITED)
    return open_codec(codec, kind)


def form_of(codec: str) -> str:
    """Name the format of a codec."""
    return FORMS[codec.removesuffix(UNGUARDED)]


def decode(codec: str, kind: str, data: bytes) -> None:
    """Make the message."""
    bound(codec, kind).decode(data)


def view(codec: str, kind: str, data: bytes) -> None:
    """Open, and read the fields one after the other; each is let go before the next."""
    opened = bound(codec, kind).open(data)
    if hasattr(opened, "materialize"):
        for name in dir(opened):
            if not name.startswith("_") and name != "materialize":
                getattr(opened, name)


def checked(codec: str, kind: str, data: bytes) -> None:
    """Verify without making anything."""
    verify(kind, data)


def relay(codec: str, kind: str, data: bytes) -> None:
    """Pass on under another model."""
    bound(codec, kind).relay(data, lambda model, stream: "other")


def http(codec: str, kind: str, data: bytes) -> None:
    """Send a request to the server's application, without a socket; every way of it ends at the one entrance.

    Raises:
        SerlabError: the answer is 4xx.
        RuntimeError: it is 5xx.
    """
    from serlab.wire.app import application
    from serlab.wire.model import Engine
    from serlab.wire.settings import Settings

    status: list[int] = []
    body = iter(({"type": "http.request", "body": data, "more_body": False},))

    async def receive() -> dict[str, Any]:
        return next(body, None) or await asyncio.Event().wait() or {}

    async def send(event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            status.append(event["status"])

    path = next(path for path, kinds in PATHS.items() if kinds.request == kind)
    media = f"application/x-serlab; codec={codec}".encode()
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode()}
    scope |= {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}
    scope |= {"query_string": b"", "headers": [(b"content-type", media)], "scheme": "http", "root_path": ""}
    asyncio.run(application(Engine(Settings(tokens=1)))(scope, receive, send))
    if status[0] >= 500:
        raise RuntimeError(f"status {status[0]}")
    if status[0] >= 400:
        raise SerlabError(f"status {status[0]}")


def framed(codec: str, kind: str, data: bytes) -> None:
    """Read a stream of one frame."""
    for payload in FrameDecoder(require_end=False).feed(encode_frame(data)):
        decode(codec, kind, payload)


def events(codec: str, kind: str, data: bytes) -> None:
    """Read a stream of one event."""
    for event in sse.events([(1, b"data: " + data), (2, b"")]):
        decode(codec, kind, event.data)


def line(codec: str, kind: str, data: bytes) -> None:
    """Read a corpus of one line."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(data)
        file.flush()
        for _ in corpus.read(file.name, strict=True):
            continue


Entrance = Callable[[str, str, bytes], None]
"""(codec, kind, data); a refusal is a SerlabError."""

ENTRANCES: dict[str, Entrance] = {
    "decode": decode,
    "open": view,
    "relay": relay,
    "verify": checked,
    "http": http,
    "frames": framed,
    "events": events,
    "corpus": line,
}
ONLY = {
    "open": ("flatbuffers",), "verify": ("flatbuffers",), "frames": ("msgpack",), "events": ("msgspec-json",),
    "corpus": ("json",), "http": USUAL if find_spec("starlette") else (),
}  # fmt: skip
"""Entrances that differ from `decode` for some codecs only, or not at all; one codec shows that."""


def entrances_of(codec: str, kind: str) -> list[str]:
    """List the ways in of a codec and a kind of message."""
    asked = {kinds.request for kinds in PATHS.values()}
    return [name for name in ENTRANCES if codec in ONLY.get(name, (codec,)) and (name != "http" or kind in asked)]
