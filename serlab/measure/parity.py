"""Does what went in come out equal?"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from serlab.codecs import Codec
from serlab.errors import DecodeError, EncodeError
from serlab.messages import first_difference, same, to_document

OUTCOMES = ("equal", "refused", "changed", "no_schema")


class Parity(NamedTuple):
    """The outcome for one body: equal, refused or changed, why, and its bytes."""

    outcome: str
    reason: str
    data: bytes


def check(codec: Codec, document: Any, message: Any) -> Parity:
    """Take a message through a codec and compare strictly with the document it was made of.

    Args:
        codec: bound to the message's kind.
        document: what the message was made of.
        message: the message.
    """
    try:
        data = codec.encode(message)
        back = to_document(codec.decode(data))
    except (EncodeError, DecodeError) as error:
        return Parity("refused", str(error), b"")
    if same(document, back):
        return Parity("equal", "", data)
    return Parity("changed", first_difference(document, back), data)


def carried(codecs: dict[str, Codec], pairs: Iterable[tuple[Any, Any]]) -> dict[str, Codec]:
    """Keep the codecs that carry every message; only these are timed."""
    pairs = list(pairs)
    return {
        name: codec
        for name, codec in codecs.items()
        if all(check(codec, document, message).outcome == "equal" for document, message in pairs)
    }
