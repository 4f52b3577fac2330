"""The ways in: what is called with the bytes of a stranger.

A codec belongs to a format; formats are written by `documents`, `wire` and `tables`.
"""

from collections.abc import Callable
from typing import Any

from serlab.codecs import open_codec
from serlab.codecs.flatbuffers import verify
from serlab.limits import UNLIMITED
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


Entrance = Callable[[str, str, bytes], None]
"""(codec, kind, data); a refusal is a SerlabError."""

ENTRANCES: dict[str, Entrance] = {"decode": decode, "open": view, "relay": relay, "verify": checked}


def entrances_of(codec: str) -> list[str]:
    """List the ways in of a codec that differ."""
    lazy = form_of(codec) == "flatbuffers"
    return [name for name in ENTRANCES if (name != "verify" or codec == "flatbuffers") and (name != "open" or lazy)]
