"""The operations: what each calls, and with what.

    encode, decode           what an application pays
    populate … convert       the stages
    check, check-all         the stage of the codecs that look for non-finite numbers: of messages as they are, and of
                             copies without a seal, as a message made by hand has none; see `serlab.messages.base`
    read-one                 open and read one named field
    read-k                   the access curve: open and read a share of the leaf fields
    relay                    a gateway: read `model` and `stream`, write another `model`, pass the rest on
    stream                   chunk by chunk: encode, decode, put the text together
    gzip, unzstd, …          compress and decompress the bytes

`read-one`, `read-k` and `relay` are checked before they are timed, as parity checks encode and decode: what a codec
reads or passes on is compared with the message.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import cached_property, partial
from operator import attrgetter, itemgetter
from random import Random
from typing import Any, NamedTuple

import numpy as np
import zstandard

from serlab.cases import FLOOR_COPY, FLOOR_STRINGS, Case
from serlab.codecs import Codec
from serlab.measure.inputs import Bound, named_reader, read_field
from serlab.measure.interleave import Arm
from serlab.measure.options import CHECKS
from serlab.messages import NO_EXTRA, UNSET, Message, Part, first_difference, to_document
from serlab.records import COMPRESSION

# The leaf fields of a message, and programs that read a share of them: the access curve.
#
# A leaf is what a program reads in one step and uses whole: text, a number, a bool, null, a vector or a list of token
# ids, a JSON value without a fixed shape. Structs and lists of them are ways to a leaf; so are the lists and objects
# of a `document`. Fields that are absent are no leaves.
#
# The chosen leaves are read as a program would: each object on the way is asked for once, its leaves by one
# `operator.attrgetter`. The paths come from the messages, so they are the same for every codec.

Path = tuple[str | int, ...]
"""Attribute names and list positions (in a `document` also keys), from the message to a leaf."""

STEPS: dict[str, float] = {"read-0%": 0.0, "read-1": 0.0, "read-1%": 0.01, "read-10%": 0.1, "read-50%": 0.5}
STEPS |= {"read-100%": 1.0}
"""Operation → the share of leaves that it reads; `read-0%` only opens, `read-1` reads one leaf."""


class Visit(NamedTuple):
    """What to read of one object.

    Attributes:
        leaves: reads all chosen leaves that stand in it; None for none.
        below: how to get each object under it, and what to read of that.
    """

    leaves: Callable[[Any], Any] | None
    below: list[tuple[Callable[[Any], Any], "Visit"]]


def leaf_paths(message: Any) -> list[Path]:
    """List the paths of a message's leaves, in the order of the message."""
    plain = not isinstance(message, Message)
    return list(_walk(message, (), plain))


def _walk(value: Any, path: Path, plain: bool) -> Iterator[Path]:
    """List the leaves under a value; `plain` values have keys where messages have attributes."""
    for step, inner in _steps_of(value, plain):
        if _steps_of(inner, plain):
            yield from _walk(inner, (*path, step), plain)
        elif not isinstance(inner, Part):
            yield (*path, step)


def _steps_of(value: Any, plain: bool) -> list[tuple[str | int, Any]]:
    """List what stands in a value, with its name or position; nothing for a leaf."""
    if isinstance(value, Part):
        fields = [(name, getattr(value, name)) for name in value.__struct_fields__]
        return [(name, inner) for name, inner in fields if inner is not UNSET and inner is not NO_EXTRA]
    if isinstance(value, list) and any(isinstance(item, str | Part | np.ndarray | dict) for item in value):
        return list(enumerate(value)) if plain or not any(isinstance(item, dict) for item in value) else []
    return list(value.items()) if plain and isinstance(value, dict) else []


def choose(paths: Sequence[Path], operation: str, seed: str) -> list[Path]:
    """Choose the leaves that an operation reads.

    Args:
        paths: all leaves of a message.
        operation: a key of `STEPS`.
        seed: of the order; with one seed a larger share holds the smaller ones.

    Returns:
        The share of the leaves, rounded up, so at least one for any share but that of `read-0%`.
    """
    if operation == "read-0%":
        return []
    count = -int(-STEPS[operation] * len(paths) // 1)
    return Random(seed).sample(paths, len(paths))[: max(1, count)]


def visit_of(message: Any, paths: Iterable[Path]) -> Visit:
    """Build the program that reads some leaves of a message."""
    groups: dict[str | int, list[Path]] = {}
    for path in paths:
        groups.setdefault(path[0], []).append(path[1:])
    by_name = isinstance(message, Part)
    leaves = [step for step, rest in groups.items() if rest == [()]]
    getter = (attrgetter if by_name else itemgetter)(*leaves) if leaves else None  # type: ignore[arg-type]
    below = []
    for step, rest in groups.items():
        if rest != [()]:
            get: Callable[[Any], Any] = attrgetter(str(step)) if by_name else itemgetter(step)
            below.append((get, visit_of(get(message), rest)))
    return Visit(getter, below)


def touch(value: Any, visit: Visit) -> None:
    """Read what a visit asks for."""
    leaves, below = visit
    if leaves is not None:
        leaves(value)
    for get, inner in below:
        touch(get(value), inner)


def follow(value: Any, path: Path) -> Any:
    """Read one leaf."""
    for step in path:
        value = getattr(value, step) if isinstance(step, str) and not isinstance(value, dict) else value[step]
    return value


def first_misread(opened: Any, message: Any, paths: Iterable[Path]) -> str:
    """Compare leaves that a view gives with the message's own.

    Returns:
        What differs first, "" if nothing does; numbers packed in an array count as the list that they stand for.
    """
    for path in paths:
        expected, got = follow(message, path), follow(opened, path)
        if repr(_listed(expected)) != repr(_listed(got)):
            return f"{'.'.join(map(str, path))}: expected {expected!r:.60}, got {got!r:.60}"
    return ""


def _listed(value: Any) -> Any:
    """Return arrays and lazy lists as plain lists."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return list(map(_listed, value))
    return value


def strings(value: Any) -> Iterator[str]:
    """List the texts in a value: a message, a struct, or JSON values; not their field names."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Part):
        for name in value.__struct_fields__:
            yield from strings(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif hasattr(value, "values"):
        for item in value.values():
            yield from strings(item)


# Two arms that do nothing but copy bytes or make strings: the lower bounds of the operations that have to do that.
#
# - `floor: copy` copies the bytes, in the shortest of the encodings that are measured. Whoever writes a message has to
# put its bytes somewhere. - `floor: strings` makes Python strings of their UTF-8, one after the other with
# `bytes.decode`, and nothing else: all   texts of the message, for `read-one` and the access curve those of the fields
# that are read.
#
# Both are timed in every group; of which operation which one is a bound stands in `serlab.report.tables`. Where the
# work can be left out neither is. A floor is no codec: it takes part in no ranking, mean or parity.


def copy_arm(codecs: Sequence[Bound]) -> Arm[Case]:
    """Return the arm that copies each message's bytes; `bytes` of a memoryview copies, `bytes` of bytes does not."""
    shortest = min((bound.encoded for bound in codecs), key=lambda encoded: sum(map(len, encoded)))
    return Arm(FLOOR_COPY, bytes, [memoryview(data) for data in shortest], len(shortest))


def strings_arm(read: Iterable[Any]) -> Arm[Case]:
    """Return the arm that makes strings.

    Args:
        read: for each message, what an operation reads of it: the message itself, a field, or a list of fields.
    """
    items = [[text.encode("utf-8", "replace") for text in strings(value)] for value in read]
    return Arm(FLOOR_STRINGS, make_strings, items, len(items))


def make_strings(parts: list[bytes]) -> list[str]:
    """Make strings of UTF-8."""
    return list(map(bytes.decode, parts))


# Bytes per message: raw, gzip and zstd, each message by itself.

GZIP_LEVEL = 6
ZSTD_LEVEL = 3
"""The libraries' own defaults, which servers use too."""

METRICS = ("raw", "gzip", "zstd")


def sizes(data: bytes) -> dict[str, int]:
    """Weigh one encoded message.

    Args:
        data: one message.

    Returns:
        Bytes by metric; gzip without a time stamp, zstd with the content size, as `compress` writes them.
    """
    zipped = gzip.compress(data, GZIP_LEVEL, mtime=0)
    return {"raw": len(data), "gzip": len(zipped), "zstd": len(zstandard.compress(data, ZSTD_LEVEL))}


class MeanSizes:
    """Sums up sizes, so that a corpus of any length is weighed without being held."""

    def __init__(self) -> None:
        self.count = 0
        self.totals = dict.fromkeys(METRICS, 0)

    def add(self, weighed: dict[str, int]) -> None:
        """Count one message in."""
        self.count += 1
        for metric in METRICS:
            self.totals[metric] += weighed[metric]

    def join(self, other: "MeanSizes") -> None:
        """Count in what another one has counted."""
        self.count += other.count
        for metric in METRICS:
            self.totals[metric] += other.totals[metric]

    def means(self) -> dict[str, float]:
        """Return the mean bytes per message by metric.

        Raises:
            ZeroDivisionError: nothing was added.
        """
        return {metric: total / self.count for metric, total in self.totals.items()}


# Compression of a codec's bytes: what it costs to send fewer of them.
#
#     gzip, gunzip     level 6, as web servers do by default
#     zstd, unzstd     level 3, with a compressor and a decompressor that are kept between messages
#
# Each message is compressed by itself. The bytes decide what this costs, not the codec: codecs that write the same
# bytes share the measurement.

Change = Callable[[bytes], bytes]


def _compressor(operation: str) -> tuple[Change, Change]:
    """Return what compresses and what decompresses.

    Args:
        operation: one of `serlab.records.COMPRESSION`.
    """
    if operation in ("gzip", "gunzip"):
        return partial(gzip.compress, compresslevel=GZIP_LEVEL, mtime=0), gzip.decompress
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress, zstandard.ZstdDecompressor().decompress


def compression_arm(operation: str, bound: Bound) -> Arm[Case]:
    """Return a codec's arm in an operation of compression, not calibrated yet."""
    compress, decompress = _compressor(operation)
    count = len(bound.encoded)
    if operation in ("gzip", "zstd"):
        return Arm(Case(bound.name), compress, bound.encoded, count)
    return Arm(Case(bound.name), decompress, list(map(compress, bound.encoded)), count)


def not_restored(operation: str, bound: Bound) -> str:
    """Check that what was compressed comes back.

    Returns:
        Which message did not, "" if all did.
    """
    compress, decompress = _compressor(operation)
    wrong = (number for number, data in enumerate(bound.encoded) if decompress(compress(data)) != data)
    return next((f"message {number} did not come back" for number in wrong), "")


def group_by_output(codecs: Iterable[Bound]) -> dict[str, list[str]]:
    """Group codecs that write the same bytes: the first one's name → the others'."""
    first: dict[tuple[bytes, ...], str] = {}
    found: dict[str, list[str]] = {}
    for bound in codecs:
        name = first.setdefault(tuple(bound.encoded), bound.name)
        found.setdefault(name, []).extend([] if name == bound.name else [bound.name])
    return found


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
        """Return the reader of the kind's named field."""
        return named_reader(self.kind, self.messages)

    @cached_property
    def leaves(self) -> list[list[Path]]:
        """List each message's leaves."""
        return [leaf_paths(message) for message in self.messages]

    def chosen(self, operation: str) -> list[list[Path]]:
        """List the leaves of each message that a step of the access curve reads."""
        return [choose(paths, operation, f"{self.seed}/{i}") for i, paths in enumerate(self.leaves)]

    def names(self, operation: str) -> Iterator[str]:
        """Yield the names that an operation has in the rows; none where the workload does not have it."""
        if operation == "read-k":
            yield from self.distinct_steps()
        elif operation == "read-one":
            yield from ["read-one"] if self.reader else []
        elif operation == "relay":
            yield from ["relay"] if all(map(_has_model, self.messages)) else []
        elif operation != "stream" or self.kind == "ChatChunk":
            yield operation

    def distinct_steps(self) -> Iterator[str]:
        """Yield the steps of the access curve, without those that read as many leaves as the step before."""
        seen: set[tuple[int, ...]] = set()
        for step in STEPS:
            counts = tuple(map(len, self.chosen(step)))
            if counts not in seen:
                seen.add(counts)
                yield step


def _has_model(message: Any) -> bool:
    """Return whether a message names a model that a gateway can replace."""
    return isinstance(_model_of(message), str)


def _model_of(message: Any) -> Any:
    """Return a message's model, or that of a document."""
    return message.get("model") if isinstance(message, dict) else getattr(message, "model", UNSET)


def arm_of(operation: str, bound: Bound, work: Work) -> Arm[Case]:
    """Return a codec's arm in an operation that the workload has, not calibrated yet."""
    name, codec, encoded = Case(bound.name), bound.codec, bound.encoded
    count = len(encoded)
    if operation in COMPRESSION:
        return compression_arm(operation, bound)
    if operation == "read-one":
        return Arm(name, partial(read_field, codec.open, work.reader), encoded, count)
    if operation in STEPS:
        visits = map(visit_of, work.messages, work.chosen(operation))
        return Arm(name, partial(_read_leaves, codec.open), list(zip(encoded, visits, strict=True)), count)
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
    """Return whether a codec does an operation at all: only some have a check."""
    return operation not in CHECKS or codec.check is not None


def floors_of(operation: str, work: Work) -> list[Arm[Case]]:
    """Return an operation's floors; compression makes no strings, and a check moves nothing."""
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


def _read_leaves(opened: Callable[[bytes], Any], item: tuple[bytes, Any]) -> None:
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


def verify_operation(operation: str, bound: Bound, work: Work) -> str:
    """Check what a codec reads or passes on.

    Returns:
        What differs first from the messages, "" if nothing does.
    """
    pairs = zip(work.messages, bound.encoded, strict=True)
    if operation in COMPRESSION:
        return not_restored(operation, bound)
    if operation == "read-one" and work.reader:
        read = work.reader
        found = (_misread(read(message), read(bound.codec.open(data))) for message, data in pairs)
    elif operation in STEPS:
        chosen = zip(pairs, work.chosen(operation), strict=True)
        found = (first_misread(bound.codec.open(data), message, paths) for (message, data), paths in chosen)
    elif operation == "relay":
        found = (_misrouted(bound.codec, message, data) for message, data in pairs)
    else:
        return ""
    return next(filter(None, found), "")


def _misread(expected: Any, got: Any) -> str:
    """Compare one field, leaf by leaf where it has some."""
    if _steps_of(expected, plain=False):
        return first_misread(got, expected, _walk(expected, (), plain=False))
    same = repr(_listed(expected)) == repr(_listed(got))
    return "" if same else f"expected {expected!r:.60}, got {got!r:.60}"


def _misrouted(codec: Codec, message: Any, data: bytes) -> str:
    """Compare what a gateway passes on with the message under its new model."""
    expected = to_document(message) | {"model": OTHER_MODEL}
    return first_difference(expected, to_document(codec.decode(codec.relay(data, route))))
