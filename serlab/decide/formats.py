"""What each format can do, whatever it costs: what constraints are checked against.

A codec's record says it. Of a codec that is not installed here, as the results of another machine may have it, nothing
is known; a scenario's `[codecs.NAME]` may say it, and where a constraint asks for what nobody said, the codec cannot be
recommended.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from serlab.codecs import find_info
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


VECTORS = "EmbeddingResponse"
"""The only kind that the variants for vectors write otherwise than the codec they come from."""
UNKNOWN = Format("", None, None, None, None, None, None)


def stand_in(codec: str) -> str:
    """Name the codec that writes the same where there are no vectors; "" for one that is no variant for vectors."""
    info = find_info(codec)
    return info.variant_of if info is not None and info.vectors else ""


def format_of(codec: str, claims: Mapping[str, bool] | None = None) -> Format:
    """Tell what a codec's format can do.

    Args:
        codec: its name.
        claims: what the scenario says of it, constraint → whether it meets it.

    Returns:
        What its record says; all None for a codec that is not installed here.
    """
    info, said = find_info(codec), dict[str, Any](claims or {})
    if info is None or not info.format.name:
        return UNKNOWN._replace(**said)
    wire = info.format
    abilities = (wire.browser, wire.person, wire.other_languages, wire.unknown_fields, info.verifies, info.schema)
    return Format(wire.name, *abilities, info.reference)._replace(**said)


def shortcomings(format_: Format, constraints: Constraints) -> list[str]:
    """Say which constraints a format does not meet, or is not known to meet."""
    found = []
    for name in NAMES:
        able = getattr(format_, name)
        if getattr(constraints, name) and not able:
            text = name.replace("_", " ")
            found.append(f"{text}: unknown, say it in [codecs.NAME]" if able is None else f"{text}: no")
    return found
