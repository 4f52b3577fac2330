"""What the two names in a row say: what was measured, in which role, and under which conditions.

A run keeps both as texts, which its tables show as they are. They are read here and nowhere else; all else asks the
records.

    codec       orjson, orjson (A/A), orjson+zstd, orjson (base), floor: copy, floor: bytes of orjson, formula: kept
    operation   encode, encode/threads=2, wire/stream/http/sse/full/every=1
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # a worker has no use for pandas
    import pandas as pd

CONTROL = " (A/A)"
"""Ends the name of the baseline's second arm."""

FLOOR = "floor: "
"""Begins the name of an arm that is no codec and does less: the same bytes copied, sent or dropped, and the like."""

FORMULA = "formula: "
"""Begins the name of an arm that is calculated, not measured; it stands beside what it predicts."""

ZSTD = "+zstd"
"""Ends the name of a codec whose bytes are kept compressed, before `CONTROL`."""

BASE = " (base)"
"""Ends the name of a codec that another environment ran, before `CONTROL`."""

BYTES_OF = FLOOR + "bytes of "
"""Begins the name of a codec's bytes that nobody decodes."""

FLOOR_COPY = FLOOR + "copy"
FLOOR_STRINGS = FLOOR + "strings"

WIRE = "wire"
"""The first part of an operation that is a whole call; the experiment and its conditions follow."""

NAMES = 10_000
"""Names whose records are kept; a run has some hundred, and a table from elsewhere may hold any number."""


class Case(NamedTuple):
    """What was measured.

    Attributes:
        codec: the codec's name; of what is no codec the name that it has beside them, such as "copy" or "kept".
        beginning: `FLOOR`, `BYTES_OF` or `FORMULA`; "" for what was measured itself.
        packed: whether its bytes are kept compressed.
        other_env: whether another environment ran it.
        again: whether it is a second arm (A/A).
    """

    codec: str
    beginning: str = ""
    packed: bool = False
    other_env: bool = False
    again: bool = False

    @property
    def name(self) -> str:
        """Return the name in a row."""
        endings = (ZSTD, self.packed), (BASE, self.other_env), (CONTROL, self.again)
        return self.beginning + self.codec + "".join(ending for ending, has in endings if has)

    @property
    def is_bound(self) -> bool:
        """Recognise a lower bound, which codes no message and stands below the codecs."""
        return self.beginning in (FLOOR, BYTES_OF)

    @property
    def is_formula(self) -> bool:
        """Return what is calculated."""
        return self.beginning == FORMULA

    @property
    def is_compared(self) -> bool:
        """Return what a ranking compares: no bound, no second arm, not of another environment."""
        return not (self.is_bound or self.again or self.other_env)

    @property
    def ran(self) -> str:
        """Return the name of what was run, wherever and however often: a codec that is installed may end in `ZSTD`."""
        return self._replace(other_env=False, again=False).name

    @property
    def first(self) -> str:
        """Return the name of the arm that this one is, the first time it was measured."""
        return self._replace(again=False).name

    @property
    def second(self) -> str:
        """Return the name of its second arm."""
        return self._replace(again=True).name


@lru_cache(NAMES)
def case_of(name: str) -> Case:
    """Return what a row's `codec` says; a codec may bear any name that has none of the marks above."""
    rest, again = _without(name, CONTROL)
    rest, other_env = _without(rest, BASE)
    rest, packed = _without(rest, ZSTD)
    beginning = next((one for one in (BYTES_OF, FLOOR, FORMULA) if rest.startswith(one)), "")
    return Case(rest[len(beginning) :], beginning, packed, other_env, again)


def _without(name: str, ending: str) -> tuple[str, bool]:
    """Return a name without an ending, and whether it had it."""
    return name.removesuffix(ending), name.endswith(ending)


class Place(NamedTuple):
    """How it was measured.

    Attributes:
        operation: encode, decode, a step of the access curve, …; "wire" for a whole call.
        experiment: of a whole call; "" for the others.
        conditions: in order, as in ("http", "inflight=8").
    """

    operation: str
    experiment: str = ""
    conditions: tuple[str, ...] = ()

    @property
    def under(self) -> str:
        """Return the conditions as the row has them."""
        return "/".join(self.conditions)

    def within(self, experiment: str) -> str | None:
        """Return the conditions in an experiment, or in a part of one such as "pooling/share"; None elsewhere."""
        parts = (self.experiment, *self.conditions)
        wanted = tuple(experiment.split("/"))
        return "/".join(parts[len(wanted) :]) if parts[: len(wanted)] == wanted else None


@lru_cache(NAMES)
def place_of(operation: str) -> Place:
    """Return what a row's `operation` says."""
    first, *rest = operation.split("/")
    experiment = rest.pop(0) if first == WIRE and rest else ""
    return Place(first, experiment, tuple(rest))


def operation_named(experiment: str, *conditions: str) -> str:
    """Return the operation of a whole call: `wire/EXPERIMENT/CONDITION/…`."""
    return "/".join((WIRE, experiment, *conditions))


def conditions_in(under: str) -> tuple[str, ...]:
    """Split conditions as a row has them: "http/inflight=8"."""
    return tuple(under.split("/")) if under else ()


def number_in(condition: str) -> tuple[str, str]:
    """Return name and value of a condition, ("threads", "2"); the value is "" where it has none."""
    name, _, value = condition.partition("=")
    return name, value


def arm_and_place(name: str) -> tuple[str, str]:
    """Split "ARM CONDITIONS"; an arm's name may hold blanks, conditions hold none."""
    arm, _, place = name.rpartition(" ")
    return arm, place


def where(names: "pd.Series", test: Callable[[Case], bool]) -> "pd.Series[bool]":
    """Return which rows are of a case.

    Args:
        names: the column `codec` of a table.
        test: of one case.
    """
    return _told(names, {name: test(case_of(str(name))) for name in names.unique()})


def placed(operations: "pd.Series", test: Callable[[Place], bool]) -> "pd.Series[bool]":
    """Recognise the same by the column `operation`."""
    return _told(operations, {name: test(place_of(str(name))) for name in operations.unique()})


def _told(names: "pd.Series", found: Mapping[str, bool]) -> "pd.Series[bool]":
    """Return a Series of booleans; one without rows, too."""
    return names.map(found).astype(bool)
