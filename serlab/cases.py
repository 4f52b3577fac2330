"""What a figure stands for: a case (whose, in which role) and a place (which operation, under which conditions).

A row has these facts in columns of their own. A table shows them as two names:

    case     orjson, orjson (A/A), orjson (base), floor: copy, floor: bytes of orjson, formula: kept
    place    encode, encode/threads=2, wire/stream/http/sse/full/every=1

Names are made of facts. They are read in `case_of` and `place_of` only: those of folders that were written before rows
had the columns, and those of findings, which name whose they are.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

MEASURED, AA, BOUND, BYTES, FORMULA = "measured", "aa", "bound", "bytes", "formula"
OTHER_ENV, OTHER_AA = "other_env", "other_env_aa"
ROLES = (MEASURED, AA, BOUND, BYTES, FORMULA, OTHER_ENV, OTHER_AA)
"""What a figure is to the others of its group: a codec's own; the baseline's once more, the A/A control; a lower bound,
which codes no message; the bytes of a codec that nobody decodes; calculated, not measured, and beside what it predicts;
a codec's in the other environment of a pair, and that once more."""
COMPARED, BOUNDS, CONTROLS, ELSEWHERE = (MEASURED, FORMULA), (BOUND, BYTES), (AA, OTHER_AA), (OTHER_ENV, OTHER_AA)
"""Roles of what a ranking compares; of lower bounds; of what is measured once more; of another environment's."""

FLOOR = "floor: "
BYTES_OF = FLOOR + "bytes of "
CONTROL = " (A/A)"
BASE = " (base)"
_MARKS = {
    MEASURED: ("", ""),
    AA: ("", CONTROL),
    BOUND: (FLOOR, ""),
    BYTES: (BYTES_OF, ""),
    FORMULA: ("formula: ", ""),
    OTHER_ENV: ("", BASE),
    OTHER_AA: ("", BASE + CONTROL),
}
"""Role → what a name of it begins and ends with."""
_SECOND = {MEASURED: AA, OTHER_ENV: OTHER_AA}
_FIRST = {second: first for first, second in _SECOND.items()}

ZSTD = "+zstd"
"""Ends the name of a codec whose bytes are kept compressed."""

NAMES = 10_000
"""Names whose facts are kept; a run has some hundred, and a table from elsewhere may hold any number."""


class Case(str):
    """Whose figure, as the name that tables show; it knows what it was made of.

    Attributes:
        codec: the codec's name; of what is no codec the name that it has beside them, such as "copy" or "kept".
        role: one of `ROLES`.
    """

    __slots__ = ("codec", "role")
    codec: str
    role: str

    def __new__(cls, codec: str, role: str = MEASURED) -> "Case":  # noqa: D102
        before, after = _MARKS[role]
        made = super().__new__(cls, f"{before}{codec}{after}")
        made.codec, made.role = str(codec), role
        return made

    def __reduce__(self) -> tuple[type["Case"], tuple[str, str]]:
        return Case, (self.codec, self.role)

    @property
    def is_bound(self) -> bool:
        """Return whether it is a lower bound, which codes no message and stands below the codecs."""
        return self.role in BOUNDS

    @property
    def is_formula(self) -> bool:
        """Return whether it was calculated."""
        return self.role == FORMULA

    @property
    def is_again(self) -> bool:
        """Return whether it was measured once more, as a control."""
        return self.role in CONTROLS

    @property
    def is_compared(self) -> bool:
        """Return what a ranking compares: no bound, no second arm, not of another environment."""
        return self.role in COMPARED

    @property
    def first(self) -> "Case":
        """Return the case that this one is, the first time it was measured."""
        return Case(self.codec, _FIRST.get(self.role, self.role))

    @property
    def second(self) -> "Case":
        """Return the case that is measured once more (A/A)."""
        return Case(self.codec, _SECOND.get(self.role, self.role))

    @property
    def elsewhere(self) -> "Case":
        """Return the same in the other environment of a pair."""
        return Case(self.codec, OTHER_AA if self.is_again else OTHER_ENV)

    @property
    def ran(self) -> "Case":
        """Return what was run, wherever and however often."""
        return Case(self.codec, MEASURED if self.role in (*CONTROLS, *ELSEWHERE) else self.role)


FLOOR_COPY = Case("copy", BOUND)
FLOOR_STRINGS = Case("strings", BOUND)


@lru_cache(NAMES)
def case_of(name: str) -> Case:
    """Return the case that a name was made of; a codec may bear any name without the marks of a role."""
    for role in (OTHER_AA, AA, OTHER_ENV, BYTES, BOUND, FORMULA):
        before, after = _MARKS[role]
        if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after):
            return Case(name[len(before) : len(name) - len(after)], role)
    return Case(name)


WIRE = "wire"
"""The operation that is a whole call."""


class Conditions(msgspec.Struct, frozen=True, repr_omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """How something was measured; None is what was no condition there.

    Attributes:
        transport: of a call: http, https, http2, grpc.
        protocol: of a connection: tcp, tls1.2, tls1.3.
        backend: of a cache.
        framing, envelope: of a stream.
        part: of a cache or a pool: key, decode, get, hit, put, hits, call, share, count; a pair that is compared.
        way: where a body is coded: inline, thread, pool.
        vectors: how vectors are written: list, base64, bin, packed.
        other: what an older run names otherwise.
        every: tokens in a piece of a stream.
        inflight: calls at a time.
        threads, tasks, processes: that work at a time.
        rtt_ms: of a connection, milliseconds.
        capacity: of a cache, as a share of all bytes.
    """

    transport: str | None = None
    protocol: str | None = None
    backend: str | None = None
    framing: str | None = None
    envelope: str | None = None
    part: str | None = None
    way: str | None = None
    vectors: str | None = None
    other: str | None = None
    every: int | None = None
    inflight: int | None = None
    threads: int | None = None
    tasks: int | None = None
    processes: int | None = None
    rtt_ms: float | None = None
    capacity: float | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the conditions as tables name them, as in ("http", "inflight=8")."""
        return _texts_of(self)

    @property
    def text(self) -> str:
        """Return them as one text: "http/inflight=8"."""
        return "/".join(self.texts)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many threads, tasks or processes work at a time, by what they are."""
        return {name: value for name in WORKERS if (value := getattr(self, name)) is not None}


WORKERS = ("threads", "tasks", "processes")
NO_CONDITIONS = Conditions()


@lru_cache(NAMES)
def _texts_of(conditions: Conditions) -> tuple[str, ...]:
    """Write each condition that there is."""
    return tuple(_text_of(name, value) for name, value in facts_of(conditions).items())


def _text_of(name: str, value: Any) -> str:
    """Write one condition."""
    if name == "rtt_ms":
        return f"rtt={value:g}ms"
    if name == "capacity":
        return f"capacity={value:.0%}"
    return value if isinstance(value, str) else f"{name}={value}"


def facts_of(conditions: Conditions) -> dict[str, Any]:
    """Return the conditions that there are, by name."""
    found = ((name, getattr(conditions, name)) for name in Conditions.__struct_fields__)
    return {name: value for name, value in found if value is not None}


class Place(NamedTuple):
    """What was measured of a case.

    Attributes:
        operation: encode, decode, a step of the access curve, …; "wire" for a whole call.
        experiment: of a whole call; "" for the others.
        conditions: under which.
    """

    operation: str
    experiment: str = ""
    conditions: Conditions = NO_CONDITIONS

    @property
    def name(self) -> str:
        """Return the name that tables show."""
        return "/".join(filter(None, (self.operation, self.experiment, *self.conditions.texts)))

    def within(self, experiment: str, part: str = "") -> str | None:
        """Return the conditions in an experiment or in a part of it, as one text; None elsewhere."""
        if self.experiment != experiment or (part and self.conditions.part != part):
            return None
        inner = msgspec.structs.replace(self.conditions, part=None) if part else self.conditions
        return inner.text


class CallArm(NamedTuple):
    """What is timed of a whole call: whose figure, and where."""

    case: Case
    place: Place

    @property
    def second(self) -> "CallArm":
        """Return the same once more (A/A)."""
        return self._replace(case=self.case.second)

    def __str__(self) -> str:
        """Name it: "orjson wire/transport/http/inflight=8"."""
        return f"{self.case} {self.place.name}"


def call_place(experiment: str, **conditions: Any) -> Place:
    """Return the place of a whole call.

    Args:
        experiment: its name.
        conditions: of `Conditions`, by name.
    """
    return Place(WIRE, experiment, Conditions(**conditions))


# Names that are read: those of folders that were written before rows had their facts.

_PLAIN: dict[str, tuple[str, ...]] = {
    "": ("way",),
    "transport": ("transport",),
    "stream": ("transport", "framing", "envelope"),
    "connection": ("protocol",),
    "pooling": ("part",),
    "vectors": ("vectors",),
    "loop-stall": ("way",),
    "cancel": ("transport",),
}
"""Experiment → what its conditions without a name are, in order."""


@lru_cache(NAMES)
def place_of(name: str) -> Place:
    """Return the place that a name was made of."""
    first, *rest = name.split("/")
    experiment = rest.pop(0) if first == WIRE and rest else ""
    return Place(first, experiment, _conditions_of(experiment, rest))


def _conditions_of(experiment: str, texts: list[str]) -> Conditions:
    """Read conditions; what cannot be told stays one text."""
    plain = [text for text in texts if "=" not in text]
    names = (("part",) if len(plain) < 2 else ("backend", "part")) if experiment == "cache" else _PLAIN.get(experiment)
    if names is None or len(plain) > len(names):
        return Conditions(other="/".join(texts)) if texts else NO_CONDITIONS
    try:
        found = conditions_from({**dict(zip(names, plain, strict=False)), **dict(_numbers_in(texts))})
    except ValueError:
        return Conditions(other="/".join(texts))
    return found if [*found.texts] == texts else Conditions(other="/".join(texts))


def _numbers_in(texts: list[str]) -> Iterator[tuple[str, int | float]]:
    """Yield the conditions that have a value.

    Raises:
        ValueError: one is no number.
    """
    for text in texts:
        name, sign, value = text.partition("=")
        if sign and name == "rtt":
            yield "rtt_ms", float(value.removesuffix("ms"))
        elif sign and name == "capacity":
            yield name, float(value.removesuffix("%")) / 100
        elif sign:
            yield name, int(value)


def conditions_from(found: Mapping[str, Any]) -> Conditions:
    """Make conditions of facts, by name.

    Raises:
        ValueError: one is none of these, or of another type.
    """
    try:
        return msgspec.convert(found, Conditions)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
