"""What a codec is: one record for each, which everything that tells codecs apart reads.

Nothing outside this package knows a codec by its name, and no name is parsed: whether a codec is a variant, of what and
how it differs are fields. The records of the built-in codecs stand here and not in their modules, since those import
the libraries, and a codec is listed whether its library is installed or not. Another package makes its record in its
own module, and names it by an entry point.

Sources of what formats can do: RFC 8259; the MessagePack specification, and msgpack.org, which lists libraries for some
50 languages; protobuf.dev, "Unknown Fields"; flatbuffers.dev, "Schema Evolution".
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any, Literal, NamedTuple

from serlab.codecs.base import Codec
from serlab.errors import NoLimitsError
from serlab.limits import Limits

Make = Callable[["CodecInfo", str], Codec]
"""(record, kind) → the codec, bound to a kind of message."""
Within = Callable[[Codec, Limits], Codec]
"""(codec, limits) → the same codec, whose `decode`, `open` and `relay` refuse what is beyond them."""
Role = Literal["baseline", "media", "grpc", "compact", "corpus", "any text"]
"""What a codec stands for where the user names none:

- baseline: what others are compared with, and what a client speaks.
- media: what its media type means where no codec is named.
- grpc: what gRPC carries.
- compact: the fewest bytes.
- corpus: reads the lines of a corpus.
- any text: reads JSON with lone surrogates, too.
"""


class WireFormat(NamedTuple):
    """What stands on the wire, and what can be done with it; None where that is not known.

    Attributes:
        name: codecs with the same can stand at either end.
        media: its media type; "" for none that others know.
        aliases: other media types that mean the same.
        browser: a browser reads it without a library.
        person: somebody reads it in an editor or a pager.
        other_languages: libraries for the common languages read it.
        unknown_fields: a field that the reader's types do not know survives decoding and encoding.
        base: the format that this one is, but for its vectors; "" for itself.
    """

    name: str
    media: str = ""
    aliases: tuple[str, ...] = ()
    browser: bool | None = None
    person: bool | None = None
    other_languages: bool | None = None
    unknown_fields: bool | None = None
    base: str = ""

    @property
    def family(self) -> str:
        """Return the name of the format, whatever its vectors."""
        return self.base or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecInfo:
    """What a codec is, without importing its library.

    Attributes:
        name: the codec's name.
        format: what it writes.
        package: the distribution that its library comes in, whose version is the codec's; "" for the standard library.
        description: one line.
        make: binds it to a kind of message; or "module:function".
        limits: binds it to limits, see `serlab.codecs.limits.within`; or "module:function". None for one that has no
            scan and refuses limits.
        verifies: whether it may be given bytes from strangers: it checks all that it reads.
        schema: whether it needs a schema, and so cannot carry the kind `document`.
        lazy: whether `open` gives a view.
        library: the module of its library; "" where that is of no account.
        plain: the names in it of the functions that write and read plain values; () where it has none.
        typed: whether the library makes the messages of their types by itself.
        variant_of: the codec that this one is but for the next three fields, or for its library; "" if it is none.
        vectors: the form of vectors, "base64" or "bin"; "" for numbers.
        keep: whether it keeps between messages what the library lets a program keep.
        verify: whether it leaves its verifier in.
        reference: why it is measured to compare with and not recommended; "" if it may be.
        colour: in figures, as #RRGGBB; a variant has that of its codec. "" for the colour of codecs from elsewhere.
        roles: what it stands for where the user names no codec; of built-in ones only.
        complaint: why the record of another package's codec cannot be read, in whose place this one stands.
    """

    name: str
    format: WireFormat
    package: str
    make: Make | str
    description: str = ""
    limits: Within | str | None = None
    verifies: bool = False
    schema: bool = False
    lazy: bool = False
    library: str = ""
    plain: tuple[str, ...] = ()
    typed: bool = False
    variant_of: str = ""
    vectors: Literal["", "base64", "bin"] = ""
    keep: bool = True
    verify: bool = True
    reference: str = ""
    colour: str = ""
    roles: tuple[Role, ...] = ()
    complaint: str = ""

    def __post_init__(self) -> None:
        if self.verifies and self.limits is None:
            raise NoLimitsError(
                f"codec {self.name!r}: expected limits of a codec that verifies what it reads, got none: whoever sends "
                "it bytes could make it take any memory; give its record `limits`, see serlab.codecs.limits.within"
            )

    @property
    def version(self) -> str:
        """Return the library's installed version; "" if it is missing, Python's own for the standard library."""
        if self.complaint:
            return ""
        if not self.package:
            return platform.python_version()
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return ""

    @property
    def install(self) -> str:
        """Return the command that installs the library."""
        return f"pip install {self.package}" if self.package else ""

    @property
    def stem(self) -> str:
        """Return the codec that this one is a variant of, or itself."""
        return self.variant_of or self.name

    def plain_functions(self) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
        """Return the library's own writer and reader of plain values.

        Raises:
            ImportError: the library is not installed.
        """
        write, read = (getattr(import_module(self.library), name) for name in self.plain)
        return write, read


def resolve(named: Any) -> Any:
    """Return what a record names as "module:function", or the function itself."""
    if not isinstance(named, str):
        return named
    module, _, function = named.partition(":")
    return getattr(import_module(module), function)


JSON = WireFormat("JSON", "application/json", (), True, True, True, True)
MSGPACK = WireFormat(
    "MessagePack",
    "application/msgpack",
    ("application/x-msgpack", "application/vnd.msgpack"),
    browser=False,
    person=False,
    other_languages=True,
    unknown_fields=True,
)
# A parser keeps unknown fields, and serializing writes them again; but a service that converts the message to types of
# its own and back, as every codec here does, keeps only what these types have.
PROTOBUF = WireFormat(
    "protobuf",
    "application/x-protobuf",
    ("application/protobuf", "application/vnd.google.protobuf"),
    browser=False,
    person=False,
    other_languages=True,
    unknown_fields=False,
)
# Old code skips the fields it does not know, and what it writes has them no more.
FLATBUFFERS = WireFormat("FlatBuffers", "application/x-flatbuffers", (), False, False, True, False)
# OpenAI's `encoding_format: base64` made it common; a person cannot read the numbers.
JSON_BASE64 = JSON._replace(name="JSON with base64 vectors", person=False, base=JSON.name)
MSGPACK_BIN = MSGPACK._replace(name="MessagePack with binary vectors", base=MSGPACK.name)

KEEPS_NOTHING = "keeps nothing between messages, to show what keeping gains"
STANDARD: dict[str, Any] = {
    "format": JSON,
    "package": "",
    "make": "serlab.codecs.json:make",
    "limits": "serlab.codecs.limits:json_within",
    "verifies": True,
}
ORJSON: dict[str, Any] = STANDARD | {"package": "orjson", "make": "serlab.codecs.orjson:make"}
PYTHON_MSGPACK: dict[str, Any] = {
    "format": MSGPACK,
    "package": "msgpack",
    "make": "serlab.codecs.msgpack:make",
    "limits": "serlab.codecs.limits:msgpack_within",
    "verifies": True,
}
MSGSPEC_JSON: dict[str, Any] = STANDARD | {"package": "msgspec", "make": "serlab.codecs.msgspec:make", "typed": True}
MSGSPEC_MSGPACK: dict[str, Any] = MSGSPEC_JSON | {
    "format": MSGPACK,
    "limits": "serlab.codecs.limits:msgspec_msgpack_within",
}
FLAT: dict[str, Any] = {
    "format": FLATBUFFERS,
    "package": "serlab",
    "make": "serlab.codecs.flatbuffers:make",
    "schema": True,
    "lazy": True,
}
BASE64: dict[str, Any] = {"format": JSON_BASE64, "vectors": "base64"}
BIN: dict[str, Any] = {"format": MSGPACK_BIN, "vectors": "bin"}
FRESH: dict[str, Any] = {"keep": False, "reference": KEEPS_NOTHING}

BUILT_IN: dict[str, CodecInfo] = {
    info.name: info
    for info in (
        CodecInfo(
            name="json",
            description="JSON by the standard library",
            **STANDARD,
            library="serlab.codecs.json",
            plain=("plain_dumps", "plain_loads"),
            colour="#8C8C8C",
            roles=("any text",),
        ),
        CodecInfo(
            name="orjson",
            description="JSON by orjson",
            **ORJSON,
            library="orjson",
            plain=("dumps", "loads"),
            colour="#000000",
            roles=("baseline", "media"),
        ),
        CodecInfo(
            name="msgpack",
            description="MessagePack by msgpack-python",
            **PYTHON_MSGPACK,
            library="msgpack",
            plain=("packb", "unpackb"),
            colour="#E69F00",
            roles=("media",),
        ),
        CodecInfo(
            name="protobuf",
            description="Protocol Buffers by upb, schemas/llm.proto",
            format=PROTOBUF,
            package="protobuf",
            make="serlab.codecs.protobuf:make",
            limits="serlab.codecs.limits:protobuf_within",
            verifies=True,
            schema=True,
            library="google.protobuf",
            colour="#0072B2",
            roles=("media", "grpc", "compact"),
        ),
        CodecInfo(
            name="flatbuffers",
            description="FlatBuffers, verified, schemas/llm.fbs",
            **FLAT,
            limits="serlab.codecs.flatbuffers:within",
            verifies=True,
            colour="#D55E00",
            roles=("media",),
        ),
        CodecInfo(
            name="msgspec-json",
            description="JSON by msgspec, typed",
            **MSGSPEC_JSON,
            library="msgspec.json",
            plain=("encode", "decode"),
            colour="#009E73",
            roles=("corpus",),
        ),
        CodecInfo(
            name="msgspec-msgpack",
            description="MessagePack by msgspec, typed",
            **MSGSPEC_MSGPACK,
            library="msgspec.msgpack",
            plain=("encode", "decode"),
            colour="#CC79A7",
        ),
        CodecInfo(
            name="flatbuffers-official",
            description="FlatBuffers by Google's Builder",
            format=FLATBUFFERS,
            package="flatbuffers",
            make="serlab.codecs.flatbuffers_official:make",
            schema=True,
            lazy=True,
            library="flatbuffers",
            variant_of="flatbuffers",
            reference="Google's generated code, to show what `flatbuffers` gains",
        ),
        CodecInfo(
            name="flatbuffers-unverified",
            description="flatbuffers without its verifier",
            **FLAT,
            variant_of="flatbuffers",
            verify=False,
        ),
        CodecInfo(
            name="json-base64",
            description="json with vectors as base64",
            **STANDARD | BASE64,
            variant_of="json",
        ),
        CodecInfo(
            name="orjson-base64",
            description="orjson with vectors as base64",
            **ORJSON | BASE64,
            variant_of="orjson",
        ),
        CodecInfo(
            name="msgspec-json-base64",
            description="msgspec-json with vectors as base64",
            **MSGSPEC_JSON | BASE64,
            variant_of="msgspec-json",
        ),
        CodecInfo(
            name="msgpack-bin",
            description="msgpack with vectors as bin",
            **PYTHON_MSGPACK | BIN,
            variant_of="msgpack",
        ),
        CodecInfo(
            name="msgspec-msgpack-bin",
            description="msgspec-msgpack with vectors as bin",
            **MSGSPEC_MSGPACK | BIN,
            variant_of="msgspec-msgpack",
        ),
        CodecInfo(
            name="json-fresh",
            description="json that keeps no encoder",
            **STANDARD | FRESH,
            variant_of="json",
        ),
        CodecInfo(
            name="msgpack-fresh",
            description="msgpack that keeps no Packer",
            **PYTHON_MSGPACK | FRESH,
            variant_of="msgpack",
        ),
        CodecInfo(
            name="msgspec-json-fresh",
            description="msgspec-json that keeps no encoder",
            **MSGSPEC_JSON | FRESH,
            variant_of="msgspec-json",
        ),
        CodecInfo(
            name="msgspec-msgpack-fresh",
            description="msgspec-msgpack that keeps no encoder",
            **MSGSPEC_MSGPACK | FRESH,
            variant_of="msgspec-msgpack",
        ),
    )
}
