"""The codecs by name.

What a codec is, is its record, a `CodecInfo`. The registry is two tables of them: what is built in, and what other
packages bring under the entry-point group `serlab.codecs` (name → a record). A codec's module, and so its library, is
imported when it is opened; another package's when its record is read.

Bytes from a stranger come in through `decode_untrusted` and nowhere else: requests, streams and answers of every
transport, cached answers, lines of a corpus. It takes only codecs whose record says that they verify what they read.
"""

from dataclasses import replace
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any

from serlab.codecs.base import Codec, reason
from serlab.codecs.info import (
    BUILT_IN,
    FLATBUFFERS,
    JSON,
    MSGPACK,
    PROTOBUF,
    CodecInfo,
    Role,
    WireFormat,
    resolve,
)
from serlab.codecs.limits import length_within, within
from serlab.doors import front_door
from serlab.errors import (
    DecodeError,
    DuplicateNameError,
    MissingPackageError,
    NoLimitsError,
    NoSchemaError,
    UnknownNameError,
)
from serlab.limits import DEFAULT_LIMITS, Limits
from serlab.messages import KINDS

GROUP = "serlab.codecs"

SHOWN = 40
"""Characters of a name from outside that an error repeats."""


@cache
def _plugins() -> dict[str, metadata.EntryPoint]:
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
    return [*BUILT_IN, *sorted(_plugins())]


def codec_infos() -> list[CodecInfo]:
    """List the records of all codecs, in the order of `codec_names()`."""
    return [codec_info(name) for name in codec_names()]


@cache
def verifying_codecs() -> tuple[str, ...]:
    """List the codecs that may be given bytes from strangers, in the order of `codec_names()`."""
    return tuple(info.name for info in codec_infos() if info.verifies)


def codec_info(name: str) -> CodecInfo:
    """Return what a codec is; its library need not be installed.

    Args:
        name: one of `codec_names()`.

    Raises:
        UnknownNameError: there is no such codec.
    """
    if (info := find_info(name)) is None:
        raise UnknownNameError.of("codec", name, codec_names())
    return info


def find_info(name: str) -> CodecInfo | None:
    """Look up a codec's record; None where there is no codec of that name, as in the results of another machine."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    return _plugin_info(name) if name in _plugins() else None


@cache
def _plugin_info(name: str) -> CodecInfo:
    """Read the record of another package's codec; one that cannot be read is shown as not installed."""
    point = _plugins()[name]
    try:
        info = point.load()
        if not isinstance(info, CodecInfo) or info.name != name:
            found = f"that of {info.name!r}" if isinstance(info, CodecInfo) else f"a {type(info).__name__}"
            raise TypeError(f"{point.value}: expected a CodecInfo of the name {name!r}, got {found}")
    except Exception as error:
        package = point.dist.name if point.dist else point.module
        return CodecInfo(
            name=name,
            format=WireFormat(""),
            package=package,
            make="",
            description=f"cannot be loaded: {reason(error)}",
            complaint=reason(error),
        )
    return info


def codec_for(role: Role) -> str:
    """Return the name of the codec that has a role where the user names none."""
    return next(info.name for info in BUILT_IN.values() if role in info.roles)


def codec_on(library: ModuleType) -> str:
    """Return the name of the codec that stands on a library."""
    return next(info.name for info in BUILT_IN.values() if info.library == library.__name__)


def codec_of(wire_format: WireFormat) -> str:
    """Return the name of the codec that is meant where only the format is named."""
    return next(
        info.name for info in BUILT_IN.values() if info.format.family == wire_format.family and "media" in info.roles
    )


def open_codec(name: str, message: str | type, limits: Limits | None = None) -> Codec:
    """Bind a codec to a kind of message.

    Args:
        name: one of `codec_names()`.
        message: a message type, its name, or "document".
        limits: the bounds of what is decoded; see `serlab.codecs.limits`. None is `DEFAULT_LIMITS`, or of these the
            length alone for a codec that has no scan and so can keep no other.

    Returns:
        The codec; it may be kept and shared by threads.

    Raises:
        UnknownNameError: there is no such codec or kind.
        MissingPackageError: its library is not installed; the text names the command that installs it.
        NoSchemaError: it needs a schema and the kind is "document".
        NoLimitsError: it has no scan and is given limits beside a length.
    """
    kind = message if isinstance(message, str) else message.__name__
    if kind not in KINDS:
        raise UnknownNameError.of("message", kind, KINDS)
    return _bind(name, kind, applicable_limits(name, DEFAULT_LIMITS) if limits is None else limits)


def applicable_limits(name: str, limits: Limits) -> Limits:
    """Return the limits that a codec can keep: all of them, or the length alone where it has no scan.

    Raises:
        UnknownNameError: there is no such codec.
    """
    return limits if codec_info(name).limits is not None else limits.of_length()


@cache
def _bind(name: str, kind: str, limits: Limits) -> Codec:
    """Import the codec's module and make the codec."""
    info = codec_info(name)
    if info.schema and kind == "document":
        raise NoSchemaError(f"{name}: no schema for a document; expected one of the message types")
    if info.limits is None and limits != limits.of_length():
        raise NoLimitsError(
            f"{name}: expected no limits beside max_bytes, since it has no scan that could keep them, got {limits}; "
            "for bytes that one's own program wrote leave them out, for a stranger's choose a codec that verifies"
        )
    if info.complaint:
        raise MissingPackageError(f"codec {name!r} needs {info.package}: {info.install} ({info.complaint})")
    try:
        codec: Codec = resolve(info.make)(info, kind)
    except ImportError as error:
        raise MissingPackageError(f"codec {name!r} needs {info.package}: {info.install} ({error})") from error
    bounded: Codec = resolve(info.limits or length_within)(codec, limits)
    return replace(bounded, verifies=info.verifies)


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


if TYPE_CHECKING:
    from serlab.codecs.base import reason
    from serlab.codecs.flatbuffers_official import writer
    from serlab.codecs.protobuf import KEPT, shaper
    from serlab.codecs.untyped import plain

__getattr__ = front_door(__name__)

__all__ = [
    "FLATBUFFERS",
    "JSON",
    "KEPT",
    "MSGPACK",
    "PROTOBUF",
    "Codec",
    "CodecInfo",
    "WireFormat",
    "applicable_limits",
    "codec_for",
    "codec_info",
    "codec_infos",
    "codec_names",
    "codec_of",
    "codec_on",
    "decode_untrusted",
    "find_info",
    "open_codec",
    "plain",
    "reason",
    "shaper",
    "verifying_codecs",
    "within",
    "writer",
]
