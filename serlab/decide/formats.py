"""What each format can do, whatever it costs: what constraints are checked against.

A codec belongs to the family of its name, a variant to that of its stem with a change or two. Of another package's
codec nothing is known; a scenario's `[codecs.NAME]` may say it, and where a constraint asks for what nobody said, the
codec cannot be recommended.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from serlab.decide.types import Constraints

NAMES = Constraints.__struct_fields__


class Format(NamedTuple):
    """What a codec's format can do; None where it is not known.

    Attributes:
        wire: what stands on the wire; codecs with the same can stand at either end.
        browser: a browser reads it without a library.
        person: somebody reads it in an editor or a pager.
        other_languages: libraries for the common languages read it.
        unknown_fields: a field that the reader's types do not know survives decoding and encoding.
        untrusted_bytes: hostile bytes cannot crash the process, read beyond the message or flood the memory.
        schema: both ends must share a schema file.
        reference: measured to compare with, not to be recommended; why, "" if it may be.
    """

    wire: str
    browser: bool | None
    person: bool | None
    other_languages: bool | None
    unknown_fields: bool | None
    untrusted_bytes: bool | None
    schema: bool | None
    reference: str = ""


# RFC 8259; browsers have JSON.parse; every decoder here bounds depth and size.
JSON = Format("JSON", True, True, True, True, True, False)
# The MessagePack specification, msgpack.org (which lists libraries for some 50 languages); maps carry their keys.
MSGPACK = Format("MessagePack", False, False, True, True, True, False)
# protobuf.dev, "Unknown Fields": a parser keeps them, and serializing writes them again; but a service that converts
# the message to types of its own and back, as every codec here does, keeps only what these types have.
PROTOBUF = Format("protobuf", False, False, True, False, True, True)
# flatbuffers.dev, "Schema Evolution": old code skips the fields it does not know, and what it writes has them no more;
# only the codec named `flatbuffers` has a verifier, Google's Python library brings none.
FLATBUFFERS = Format("FlatBuffers", False, False, True, False, True, True)

FAMILIES: dict[str, Format] = {
    "json": JSON,
    "orjson": JSON,
    "msgspec-json": JSON,
    "msgpack": MSGPACK,
    "msgspec-msgpack": MSGPACK,
    "protobuf": PROTOBUF,
    "flatbuffers": FLATBUFFERS,
}
BASE64, BIN = "-base64", "-bin"
VARIANTS: dict[str, dict[str, Any]] = {
    # OpenAI's `encoding_format: base64` made it common; a person cannot read the numbers.
    BASE64: {"wire": "JSON with base64 vectors", "person": False},
    BIN: {"wire": "MessagePack with binary vectors"},
    "-fresh": {"reference": "keeps nothing between messages, to show what keeping gains"},
    "-official": {"reference": "Google's generated code, to show what `flatbuffers` gains", "untrusted_bytes": False},
    "-unverified": {"untrusted_bytes": False},
}
"""Suffix of a codec's name → what it changes."""
VECTORS = "EmbeddingResponse"
"""The only kind that the variants for vectors write otherwise than their stem."""
UNKNOWN = Format("", None, None, None, None, None, None)


def stem(codec: str) -> str:
    """Name the codec that a variant comes from; itself if it is none."""
    return next((codec.removesuffix(suffix) for suffix in VARIANTS if codec.endswith(suffix)), codec)


def format_of(codec: str, claims: Mapping[str, bool] | None = None) -> Format:
    """Tell what a codec's format can do.

    Args:
        codec: its name.
        claims: what the scenario says of it, constraint → whether it meets it.

    Returns:
        The family's capabilities with the variant's changes; all None for a codec that serlab does not bring.
    """
    family = FAMILIES.get(codec) or FAMILIES.get(stem(codec), UNKNOWN)
    change = VARIANTS.get(codec.removeprefix(stem(codec)), {}) if family is not UNKNOWN else {}
    return family._replace(**{**change, **(claims or {})})


def shortcomings(format_: Format, constraints: Constraints) -> list[str]:
    """Say which constraints a format does not meet, or is not known to meet."""
    found = []
    for name in NAMES:
        able = getattr(format_, name)
        if getattr(constraints, name) and not able:
            text = name.replace("_", " ")
            found.append(f"{text}: unknown, say it in [codecs.NAME]" if able is None else f"{text}: no")
    return found
