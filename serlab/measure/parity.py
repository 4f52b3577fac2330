"""Does what went in come out equal?"""

from typing import Any, NamedTuple

from serlab.codecs import open_codec
from serlab.codecs.base import reason
from serlab.errors import NoSchemaError, SerlabError
from serlab.limits import DEFAULT_LIMITS, Limits
from serlab.messages import first_difference, same, to_document

OUTCOMES = ("equal", "refused", "changed", "no_schema")


class Outcome(NamedTuple):
    """What became of one body in one codec: one of `OUTCOMES`, why, and the bytes that were written."""

    outcome: str
    reason: str
    data: bytes


def check(codec: str, kind: str, message: Any, document: Any, limits: Limits = DEFAULT_LIMITS) -> Outcome:
    """Take a message through a codec and compare strictly with the document that it was made of.

    Args:
        codec: the codec's name.
        kind: the message's kind.
        message: the message.
        document: plain JSON values.
        limits: of what is decoded.

    Returns:
        The outcome; an error of whatever type is a refusal, since a codec may come from elsewhere.
    """
    try:
        bound = open_codec(codec, kind, limits)
        data = bound.encode(message)
        back = to_document(bound.decode(data))
    except NoSchemaError:
        return Outcome("no_schema", f"{codec}: no schema for a {kind}", b"")
    except SerlabError as error:
        return Outcome("refused", str(error), b"")
    except Exception as error:
        return Outcome("refused", f"{codec}: raised what the contract does not allow: {reason(error)}", b"")
    if same(document, back):
        return Outcome("equal", "", data)
    return Outcome("changed", f"{codec}: {first_difference(document, back)}", data)
