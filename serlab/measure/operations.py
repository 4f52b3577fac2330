"""The operations: what each calls, and with what.

    encode, decode           what an application pays
    populate … convert       the stages
    check, check-all         the stage of the codecs that look for non-finite numbers: of messages as they are, and of
                             copies without a seal, as a message made by hand has none; see `serlab.messages.finite`
    read-one                 open and read one named field
    read-k                   the access curve: open and read a share of the leaf fields, see `serlab.measure.paths`
    relay                    a gateway: read `model` and `stream`, write another `model`, pass the rest on
    stream                   chunk by chunk: encode, decode, put the text together
    gzip, unzstd, …          compress and decompress the bytes, see `serlab.measure.compression`

`read-one`, `read-k` and `relay` are checked before they are timed, as parity checks encode and decode: what a codec
reads or passes on is compared with the message.
"""

from collections.abc import Callable, Iterator
from copy import copy
from functools import cached_property, partial
from typing import Any

from serlab.codecs import Codec
from serlab.measure.arms import Arm
from serlab.measure.compression import compression_arm, not_restored
from serlab.measure.effort import CHECKS
from serlab.measure.floors import copy_arm, strings_arm
from serlab.measure.load import Bound, named_reader, read_field
from serlab.measure.paths import (
    STEPS,
    Path,
    choose,
    first_misread,
    follow,
    leaf_paths,
    listed,
    steps_of,
    touch,
    visit_of,
    walk,
)
from serlab.messages import UNSET, first_difference, to_document
from serlab.outcomes import COMPRESSION

OTHER_MODEL = "another-model"
"""What the gateway writes; about as long as what it replaces."""


class Work:
    """A workload with its codecs, ready to be timed.

    Args:
        kind: of the messages.
        messages: the messages.
        codecs: the codecs that carry all of them.
        seed: of the order in which the access curve takes leaves.
    """

    def __init__(self, kind: str, messages: list[Any], codecs: list[Bound], seed: int) -> None:
        self.kind = kind
        self.messages = messages
        self.codecs = codecs
        self.seed = seed

    @cached_property
    def reader(self) -> Callable[[Any], Any] | None:
        """Give the reader of the kind's named field."""
        return named_reader(self.kind, self.messages)

    @cached_property
    def leaves(self) -> list[list[Path]]:
        """List each message's leaves."""
        return [leaf_paths(message) for message in self.messages]

    def chosen(self, operation: str) -> list[list[Path]]:
        """List the leaves of each message that a step of the access curve reads."""
        return [choose(paths, operation, f"{self.seed}/{i}") for i, paths in enumerate(self.leaves)]

    def names(self, operation: str) -> Iterator[str]:
        """Give the names that an operation has in the rows; none where the workload does not have it."""
        if operation == "read-k":
            yield from self.distinct_steps()
        elif operation == "read-one":
            yield from ["read-one"] if self.reader else []
        elif operation == "relay":
            yield from ["relay"] if all(map(has_model, self.messages)) else []
        elif operation != "stream" or self.kind == "ChatChunk":
            yield operation

    def distinct_steps(self) -> Iterator[str]:
        """Give the steps of the access curve, without those that read as many leaves as the step before."""
        seen: set[tuple[int, ...]] = set()
        for step in STEPS:
            counts = tuple(map(len, self.chosen(step)))
            if counts not in seen:
                seen.add(counts)
                yield step


def has_model(message: Any) -> bool:
    """Tell whether a message names a model that a gateway can replace."""
    return isinstance(model_of(message), str)


def model_of(message: Any) -> Any:
    """Give a message's model, or that of a document."""
    return message.get("model") if isinstance(message, dict) else getattr(message, "model", UNSET)


def arm_of(operation: str, bound: Bound, work: Work) -> Arm:
    """Give a codec's arm in an operation that the workload has, not calibrated yet."""
    name, codec, encoded = bound
    count = len(encoded)
    if operation in COMPRESSION:
        return compression_arm(operation, bound)
    if operation == "read-one":
        return Arm(name, partial(read_field, codec.open, work.reader), encoded, count)
    if operation in STEPS:
        visits = map(visit_of, work.messages, work.chosen(operation))
        return Arm(name, partial(read_leaves, codec.open), list(zip(encoded, visits, strict=True)), count)
    if operation == "relay":
        return Arm(name, partial(codec.relay, route=route), encoded, count)
    if operation == "stream":
        return Arm(name, partial(pass_stream, codec), [work.messages], count)
    if operation == "convert":
        return Arm(name, codec.convert, encoded, count, codec.deserialize)
    if operation in CHECKS and codec.check is not None:
        messages = list(map(copy, work.messages)) if operation == "check-all" else work.messages
        return Arm(name, codec.check, messages, count)
    if operation == "serialize":
        return Arm(name, codec.serialize, list(map(codec.populate, work.messages)), count)
    inputs = {"encode": work.messages, "populate": work.messages, "decode": encoded, "deserialize": encoded}
    return Arm(name, getattr(codec, operation), inputs[operation], count)


def has_stage(operation: str, codec: Codec) -> bool:
    """Tell whether a codec does an operation at all: only some have a check."""
    return operation not in CHECKS or codec.check is not None


def floors_of(operation: str, work: Work) -> list[Arm]:
    """Give an operation's floors; compression makes no strings, and a check moves nothing."""
    if operation in CHECKS:
        return []
    if operation in COMPRESSION:
        return [copy_arm(work.codecs)]
    if operation == "read-one" and work.reader:
        read: list[Any] = list(map(work.reader, work.messages))
    elif operation in STEPS:
        chosen = zip(work.messages, work.chosen(operation), strict=True)
        read = [[follow(message, path) for path in paths] for message, paths in chosen]
    else:
        read = work.messages
    return [copy_arm(work.codecs), strings_arm(read)]


def read_leaves(opened: Callable[[bytes], Any], item: tuple[bytes, Any]) -> None:
    """Open a message and read some of its leaves."""
    touch(opened(item[0]), item[1])


def route(model: Any, stream: Any) -> str:
    """Choose a model, as a gateway does from what the request asks for."""
    return model if model == OTHER_MODEL and stream else OTHER_MODEL


def pass_stream(codec: Codec, chunks: list[Any]) -> str:
    """Send a stream chunk by chunk and put its text together, as the two ends of a connection do."""
    text: list[str] = []
    for chunk in chunks:
        choices = codec.decode(codec.encode(chunk)).choices or ()
        text.extend(choice.delta.content or "" for choice in choices if choice.delta)
    return "".join(text)


def misdone(operation: str, bound: Bound, work: Work) -> str:
    """Check what a codec reads or passes on.

    Returns:
        What differs first from the messages, "" if nothing does.
    """
    pairs = zip(work.messages, bound.encoded, strict=True)
    if operation in COMPRESSION:
        return not_restored(operation, bound)
    if operation == "read-one" and work.reader:
        read = work.reader
        found = (misread(read(message), read(bound.codec.open(data))) for message, data in pairs)
    elif operation in STEPS:
        chosen = zip(pairs, work.chosen(operation), strict=True)
        found = (first_misread(bound.codec.open(data), message, paths) for (message, data), paths in chosen)
    elif operation == "relay":
        found = (misrouted(bound.codec, message, data) for message, data in pairs)
    else:
        return ""
    return next(filter(None, found), "")


def misread(expected: Any, got: Any) -> str:
    """Compare one field, leaf by leaf where it has some."""
    if steps_of(expected, plain=False):
        return first_misread(got, expected, walk(expected, (), plain=False))
    same = repr(listed(expected)) == repr(listed(got))
    return "" if same else f"expected {expected!r:.60}, got {got!r:.60}"


def misrouted(codec: Codec, message: Any, data: bytes) -> str:
    """Compare what a gateway passes on with the message under its new model."""
    expected = to_document(message) | {"model": OTHER_MODEL}
    return first_difference(expected, to_document(codec.decode(codec.relay(data, route))))
