"""How far from the limit: which lower bound an operation has, if it has one.

| operation | bound |
| --- | --- |
| encode, serialize, relay | the copy: that many bytes have to be written |
| decode, and the access curve where it reads something | the strings: each text that is given out has to be made |
| stream | both: each chunk is encoded and decoded |

Only an operation that cannot leave the work out has a bound. Others may: a stage leaves it to the next one (populate
and convert of a library that works on messages themselves, deserialize of a view), a view gives a part of the message
that it has not read (read-one, where the field is no text), vectors are arrays on the bytes, compression writes less.
"""

from collections.abc import Mapping

from serlab.stats import FLOOR_COPY, FLOOR_STRINGS

Values = Mapping[int, float]
"""Process → nanoseconds per message."""

WRITES = ("encode", "serialize", "relay")
UNBOUND_READS = ("read-one", "read-0%")


def floor_values(operation: str, arms: Mapping[str, Values]) -> dict[int, float]:
    """Return the lower bound of a group.

    Args:
        operation: of the group.
        arms: arm's name → its figures; of an older run also floors that are no bound of the operation.

    Returns:
        Process → nanoseconds per message; empty where the operation has no bound or it was not measured.
    """
    copy, strings = arms.get(FLOOR_COPY, {}), arms.get(FLOOR_STRINGS, {})
    if operation in WRITES:
        return dict(copy)
    if operation == "decode" or (operation.startswith("read-") and operation not in UNBOUND_READS):
        return dict(strings)
    if operation != "stream":
        return {}
    return {process: copy[process] + strings[process] for process in copy.keys() & strings.keys()}
