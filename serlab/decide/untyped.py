"""Bodies without a type in the place of whole requests and answers.

Traffic of an API that serlab has no types for is measured as documents, through the codecs that need no schema. A
boundary that whole requests and answers cross can be decided on them; one that is about chunks, vectors or token ids
cannot, for nothing says that a document is one.
"""

from typing import NamedTuple

import msgspec

from serlab.decide.gather import Inputs
from serlab.decide.types import Message, Scenario

DOCUMENT = "document"
WHOLE = ("ChatRequest", "ChatResponse")
"""Kinds that a document may stand for."""

NAMED = ("read-one", "stream")
"""Operations that a document has not: nobody knows its fields, nor whether it is a chunk."""


class StandIn(NamedTuple):
    """A scenario on documents, and the kinds that they stand for in it; none where the run has messages with types."""

    scenario: Scenario
    kinds: list[str]


def stand_in(found: Inputs, scenario: Scenario) -> StandIn:
    """Let documents stand for whole requests and answers, where a run holds none of a scenario's kinds.

    Args:
        found: what `serlab.decide.model.inputs` gave.
        scenario: as it was given.

    Returns:
        The scenario; what it does to the kinds that are stood for is done to the documents, in the same proportions.
    """
    held = {place["kind"] for place in found["workloads"].values()}
    asked = {kind: message for kind, message in scenario.messages.items() if message.per_call}
    whole = {kind: message for kind, message in asked.items() if kind in WHOLE}
    if not whole or DOCUMENT not in held or held & asked.keys():
        return StandIn(scenario, [])
    others = {kind: message for kind, message in scenario.messages.items() if kind not in whole}
    messages = {DOCUMENT: mixed(list(whole.values())), **others}
    return StandIn(msgspec.structs.replace(scenario, messages=messages), list(whole))


def mixed(messages: list[Message]) -> Message:
    """Make one kind of several: what is done to a message is the mean over them."""
    calls = sum(message.per_call for message in messages)
    names = dict.fromkeys(name for message in messages for name in message.operations)

    def mean(values: list[float]) -> float:
        return sum(message.per_call * value for message, value in zip(messages, values, strict=True)) / calls

    operations = {name: mean([message.operations.get(name, 0.0) for message in messages]) for name in names}
    compress, decompress = mean([one.compress for one in messages]), mean([one.decompress for one in messages])
    return Message(calls, operations, compress, decompress)
