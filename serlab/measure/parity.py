"""Does what went in come out equal?"""

from typing import Any, NamedTuple

from serlab.codecs import applicable_limits, open_codec
from serlab.codecs.base import reason
from serlab.errors import NoSchemaError, SerlabError
from serlab.limits import DEFAULT_LIMITS, Limits
from serlab.measure.trouble import PassingError, is_passing
from serlab.messages import first_difference, same, to_document

OUTCOMES = ("equal", "refused", "changed", "no_schema")


class Outcome(NamedTuple):
    """What became of one body in one codec.

    Attributes:
        outcome: one of `OUTCOMES`.
        reason: why.
        data: the bytes that were written.
        passing: whether a refusal is the machine's, for want of memory, and not the codec's.
    """

    outcome: str
    reason: str
    data: bytes
    passing: bool = False


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
        bound = open_codec(codec, kind, applicable_limits(codec, limits))
        data = bound.encode(message)
        back = to_document(bound.decode(data))
    except NoSchemaError:
        return Outcome("no_schema", f"{codec}: no schema for a {kind}", b"")
    except SerlabError as error:
        return Outcome("refused", str(error), b"", is_passing(error))
    except Exception as error:
        text = f"{codec}: raised what the contract does not allow: {reason(error)}"
        return Outcome("refused", text, b"", is_passing(error))
    if same(document, back):
        return Outcome("equal", "", data)
    return Outcome("changed", f"{codec}: {first_difference(document, back)}", data)


def known_outcome(codec: str, kind: str, message: Any, document: Any, limits: Limits = DEFAULT_LIMITS) -> Outcome:
    """Do as `check`, in a worker, which can be started again.

    Raises:
        PassingError: the outcome is not known, for want of memory.
    """
    return require_known(check(codec, kind, message, document, limits))


def require_known(outcome: Outcome) -> Outcome:
    """Give an outcome.

    Raises:
        PassingError: it says nothing of the codec.
    """
    if outcome.passing:
        raise PassingError(outcome.reason)
    return outcome
