"""Fresh against reused, pair by pair: what reuse gains, and what a pool takes of it.

Each pair has up to four variants of the same work on the same populated messages:

- `fresh`: a new object for each message.
- `kept`: one object for all, without a pool: all that reuse can gain. A thread's own is as good.
- `pooled`: the object is leased for each message.
- `copied`: pooled, and the bytes are copied out, for whoever needs them after the object has gone back.

The protobuf pairs reuse a message by `Clear`. upb's messages live in an arena that gives nothing back before its last
message goes, so a message that is used again grows with every use. It is renewed every `variants.RENEWED` uses here,
lest it eat the memory; `growth` measures by how much it grows, and what of that comes back when the message goes.
`Clear` and `__init__` on the same object is the only way to fill it again in one call.
"""

from collections.abc import Callable
from typing import Any

import flatbuffers
import msgpack
import msgspec
import orjson

from serlab.codecs import codec_for, codec_on, open_codec
from serlab.errors import ServiceError
from serlab.measure import parity
from serlab.measure.arms import Arm
from serlab.measure.load import teach
from serlab.measure.parity import Outcome
from serlab.messages import to_document
from serlab.service.experiments.frame import again, named
from serlab.service.pools import variants

PAIRS: dict[str, tuple[str, Callable[[str], variants.Variants]]] = {
    "buffer": (codec_on(msgspec.json), lambda kind: variants.buffer_variants(msgspec.json, kind)),
    "buffer-msgpack": (codec_on(msgspec.msgpack), lambda kind: variants.buffer_variants(msgspec.msgpack, kind)),
    "buffer-orjson": (codec_on(orjson), variants.orjson_variants),
    "packer": (codec_on(msgpack), variants.packer_variants),
    "builder": (codec_on(flatbuffers), variants.builder_variants),
    "message-encode": (codec_for("grpc"), variants.message_encode_variants),
    "message-decode": (codec_for("grpc"), variants.message_decode_variants),
}
"""Pair → its codec, and kind → its variants."""


def lost(codec: str, kind: str, messages: list[Any]) -> Outcome | None:
    """Take messages through a pair's codec, which nobody chose and so nobody has checked yet.

    Returns:
        What became of the first one that does not come back as it was; None where all do.
    """
    outcomes = (parity.known_outcome(codec, kind, message, to_document(message)) for message in messages)
    return next((found for found in outcomes if found.outcome != "equal"), None)


def arms_of(pair: str, kind: str, messages: list[Any]) -> list[Arm]:
    """Make the arms of a pair, `fresh` twice (A/A).

    Args:
        pair: one of `PAIRS`.
        kind: of the messages.
        messages: what is written or read; the pair's codec carries them.

    Raises:
        ServiceError: the variants do not all do the same.
    """
    codec, make = PAIRS[pair]
    teach(open_codec(codec, kind), messages)
    prepare, calls = make(kind)
    items = [prepare(message) for message in messages]
    check(pair, calls, items)
    arms = [Arm(f"{name} {named('pooling', pair)}", call, items, len(items)) for name, call in calls.items()]
    return [*arms, again(arms[0])]


def check(pair: str, calls: dict[str, variants.Call], items: list[Any]) -> None:
    """See that variants give what the first one gives; a buffer that stays where it is is not given.

    Raises:
        ServiceError: one does not.
    """
    first, *others = calls.items()
    for item in items:
        expected = first[1](item)
        for name, call in others:
            if (found := call(item)) is not None and found != expected:
                raise ServiceError(f"{pair}: expected the same of {name} as of {first[0]}, got something else")
