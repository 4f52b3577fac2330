"""The codecs by name.

The registry is two tables: what is built in, and what other packages bring under the entry-point group
`serlab.codecs` (name → a function `make(name, kind) -> Codec`). A codec's module, and so its library, is imported when
it is opened.

Bytes from a stranger come in through `decode_untrusted` and nowhere else: requests, streams and answers of every
transport, cached answers, lines of a corpus. It takes only codecs that verify what they read. Another package says so
of its codec by naming it a second time, under the entry-point group `serlab.codecs.verifying`.
"""

import platform
from dataclasses import replace
from functools import cache
from importlib import import_module, metadata
from typing import Any, NamedTuple

from serlab.codecs.base import Codec
from serlab.codecs.guard import guarded
from serlab.errors import DecodeError, DuplicateNameError, MissingPackageError, NoSchemaError, UnknownNameError
from serlab.limits import DEFAULT_LIMITS, Limits
from serlab.messages import KINDS

GROUP, VERIFYING = "serlab.codecs", "serlab.codecs.verifying"

SHOWN = 40
"""Characters of a name from outside that an error repeats."""


class CodecInfo(NamedTuple):
    """What a codec is, without importing its library.

    Attributes:
        name: the codec's name.
        package: the distribution that its library comes in; "" for the standard library.
        version: the installed version, "" if it is missing.
        install: the command that installs it.
        schema: whether it needs a schema, and so cannot carry the kind `document`.
        lazy: whether `open` gives a view.
        description: one line.
        verifies: whether it may be given bytes from strangers: it checks all that it reads.
    """

    name: str
    package: str
    version: str
    install: str
    schema: bool
    lazy: bool
    description: str
    verifies: bool


class Entry(NamedTuple):
    """A row of the registry: where the codec is and what it can do."""

    module: str
    package: str
    schema: bool
    lazy: bool
    description: str
    verifies: bool = True


BUILT_IN: dict[str, Entry] = {
    "json": Entry("json", "", False, False, "JSON by the standard library"),
    "orjson": Entry("orjson", "orjson", False, False, "JSON by orjson"),
    "msgpack": Entry("msgpack", "msgpack", False, False, "MessagePack by msgpack-python"),
    "protobuf": Entry("protobuf", "protobuf", True, False, "Protocol Buffers by upb, schemas/llm.proto"),
    "flatbuffers": Entry("flatbuffers", "serlab", True, True, "FlatBuffers, verified, schemas/llm.fbs"),
    "msgspec-json": Entry("msgspec", "msgspec", False, False, "JSON by msgspec, typed"),
    "msgspec-msgpack": Entry("msgspec", "msgspec", False, False, "MessagePack by msgspec, typed"),
    "flatbuffers-official": Entry("flatofficial", "flatbuffers", True, True, "FlatBuffers by Google's Builder", False),
    "flatbuffers-unverified": Entry("flatbuffers", "serlab", True, True, "flatbuffers without its verifier", False),
    "json-base64": Entry("json", "", False, False, "json with vectors as base64"),
    "orjson-base64": Entry("orjson", "orjson", False, False, "orjson with vectors as base64"),
    "msgspec-json-base64": Entry("msgspec", "msgspec", False, False, "msgspec-json with vectors as base64"),
    "msgpack-bin": Entry("msgpack", "msgpack", False, False, "msgpack with vectors as bin"),
    "msgspec-msgpack-bin": Entry("msgspec", "msgspec", False, False, "msgspec-msgpack with vectors as bin"),
    "json-fresh": Entry("json", "", False, False, "json that keeps no encoder"),
    "msgpack-fresh": Entry("msgpack", "msgpack", False, False, "msgpack that keeps no Packer"),
    "msgspec-json-fresh": Entry("msgspec", "msgspec", False, False, "msgspec-json that keeps no encoder"),
    "msgspec-msgpack-fresh": Entry("msgspec", "msgspec", False, False, "msgspec-msgpack that keeps no encoder"),
}


@cache
def plugins() -> dict[str, metadata.EntryPoint]:
    """Find other packages' codecs.

    Raises:
        DuplicateNameError: one bears the name of another codec.
    """
    found: dict[str, metadata.EntryPoint] = {}
    for point in metadata.entry_points(group=GROUP):
        if point.name in BUILT_IN or point.name in found:
            raise DuplicateNameError(f"two codecs are named {point.name!r}; one is {point.value}: rename or remove it")
        found[point.name] = point
    return found


def codec_names() -> list[str]:
    """List all codecs: the five, msgspec's, the variants, then other packages'."""
    return [*BUILT_IN, *sorted(plugins())]


@cache
def verifying_codecs() -> tuple[str, ...]:
    """List the codecs that may be given bytes from strangers, in the order of `codec_names()`."""
    declared = {point.name for point in metadata.entry_points(group=VERIFYING)}
    return tuple(name for name in codec_names() if (BUILT_IN[name].verifies if name in BUILT_IN else name in declared))


def codec_info(name: str) -> CodecInfo:
    """Tell what a codec is; its library need not be installed.

    Args:
        name: one of `codec_names()`.

    Raises:
        UnknownNameError: there is no such codec.
    """
    if name in plugins():
        point = plugins()[name]
        package = point.dist.name if point.dist else point.module
        install, verifies = f"pip install {package}", name in verifying_codecs()
        return CodecInfo(name, package, installed(package), install, False, False, point.value, verifies)
    if name not in BUILT_IN:
        raise UnknownNameError.of("codec", name, codec_names())
    entry = BUILT_IN[name]
    install = f"pip install {entry.package}" if entry.package else ""
    version = installed(entry.package)
    return CodecInfo(name, entry.package, version, install, *entry[2:])


def installed(package: str) -> str:
    """Look up a distribution's version; "" if it is missing, Python's own for the standard library."""
    if not package:
        return platform.python_version()
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def open_codec(name: str, message: str | type, limits: Limits = DEFAULT_LIMITS) -> Codec:
    """Bind a codec to a kind of message.

    Args:
        name: one of `codec_names()`.
        message: a message type, its name, or "document".
        limits: the bounds of what is decoded; see `serlab.codecs.guard`.

    Returns:
        The codec; it may be kept and shared by threads.

    Raises:
        UnknownNameError: there is no such codec or kind.
        MissingPackageError: its library is not installed; the text names the command that installs it.
        NoSchemaError: it needs a schema and the kind is "document".
    """
    kind = message if isinstance(message, str) else message.__name__
    if kind not in KINDS:
        raise UnknownNameError.of("message", kind, KINDS)
    return bind(name, kind, limits)


@cache
def bind(name: str, kind: str, limits: Limits) -> Codec:
    """Import the codec's module and make the codec."""
    info = codec_info(name)
    if info.schema and kind == "document":
        raise NoSchemaError(f"{name}: no schema for a document; expected one of the message types")
    try:
        make = plugins()[name].load() if name in plugins() else import_module(module_of(name)).make
    except ImportError as error:
        raise MissingPackageError(f"codec {name!r} needs {info.package}: {info.install} ({error})") from error
    module = "" if name in plugins() else BUILT_IN[name].module
    codec: Codec = make(name, kind, limits) if module == "flatbuffers" else make(name, kind)
    return replace(guarded(codec, module, limits), verifies=name in verifying_codecs())


def check_verifies(name: str) -> None:
    """See that a codec may be given bytes from strangers.

    Raises:
        UnknownNameError: it may not, or there is none of that name.
    """
    if name not in verifying_codecs():
        raise UnknownNameError.of("codec that verifies what it reads", name[:SHOWN], verifying_codecs())


def decode_untrusted(codec: Codec, data: bytes) -> Any:
    """Decode bytes from a stranger: the one way in.

    Args:
        codec: from `open_codec`, with the limits that the stranger is held to.
        data: one message, no length prefix.

    Raises:
        DecodeError: the bytes are not one whole message of this format, or beyond a limit; or the codec has no limits.
        UnknownNameError: the codec does not verify what it reads.
    """
    if not codec.verifies:
        check_verifies(codec.name)
        raise DecodeError(f"{codec.name}: expected a codec with limits, got one without; make it by open_codec")
    return codec.decode(data)


def module_of(name: str) -> str:
    """Name the module of a built-in codec."""
    return f"{__name__}.{BUILT_IN[name].module}"


__all__ = ["Codec", "CodecInfo", "codec_info", "codec_names", "decode_untrusted", "open_codec", "verifying_codecs"]
