"""The codecs by name.

The registry is two tables: what is built in, and what other packages bring under the entry-point group
`serlab.codecs` (name → a function `make(name, kind) -> Codec`). A codec's module, and so its library, is imported when
it is opened.
"""

import platform
from functools import cache
from importlib import import_module, metadata
from typing import NamedTuple

from serlab.codecs.base import Codec
from serlab.codecs.guard import guarded
from serlab.errors import DuplicateNameError, MissingPackageError, NoSchemaError, UnknownNameError
from serlab.limits import DEFAULT_LIMITS, Limits
from serlab.messages import KINDS

GROUP = "serlab.codecs"


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
    """

    name: str
    package: str
    version: str
    install: str
    schema: bool
    lazy: bool
    description: str


class Entry(NamedTuple):
    """A row of the registry: where the codec is and what it can do."""

    module: str
    package: str
    schema: bool
    lazy: bool
    description: str


BUILT_IN: dict[str, Entry] = {
    "json": Entry("json", "", False, False, "JSON by the standard library"),
    "orjson": Entry("orjson", "orjson", False, False, "JSON by orjson"),
    "msgpack": Entry("msgpack", "msgpack", False, False, "MessagePack by msgpack-python"),
    "protobuf": Entry("protobuf", "protobuf", True, False, "Protocol Buffers by upb, schemas/llm.proto"),
    "flatbuffers": Entry("flatbuffers", "serlab", True, True, "FlatBuffers, verified, schemas/llm.fbs"),
    "msgspec-json": Entry("msgspec", "msgspec", False, False, "JSON by msgspec, typed"),
    "msgspec-msgpack": Entry("msgspec", "msgspec", False, False, "MessagePack by msgspec, typed"),
    "flatbuffers-official": Entry("flatofficial", "flatbuffers", True, True, "FlatBuffers by Google's Builder"),
    "flatbuffers-unverified": Entry("flatbuffers", "serlab", True, True, "flatbuffers without its verifier"),
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
        return CodecInfo(name, package, installed(package), f"pip install {package}", False, False, point.value)
    if name not in BUILT_IN:
        raise UnknownNameError.of("codec", name, codec_names())
    entry = BUILT_IN[name]
    install = f"pip install {entry.package}" if entry.package else ""
    version = installed(entry.package)
    return CodecInfo(name, entry.package, version, install, entry.schema, entry.lazy, entry.description)


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
    return guarded(codec, module, limits)


def module_of(name: str) -> str:
    """Name the module of a built-in codec."""
    return f"{__name__}.{BUILT_IN[name].module}"


__all__ = ["Codec", "CodecInfo", "codec_info", "codec_names", "open_codec"]
