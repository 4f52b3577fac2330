"""How far from the limit: which floor an operation stands on.

| operation | floor |
| --- | --- |
| encode, populate, serialize, relay, compression | the copy: the bytes have to be written |
| read-one, the access curve | the strings that are read |
| decode, deserialize, convert | the dearer one: a message owns its data, so all of it is moved once, text as strings |
| stream | both: each chunk is encoded and decoded |

A stage below its floor leaves work to the next one; a read below it gives what it has not made.
"""

from collections.abc import Mapping

from serlab.results import COMPRESSION
from serlab.stats import FLOOR_COPY, FLOOR_STRINGS

Values = Mapping[int, float]
"""Process → nanoseconds per message."""

WRITES = ("encode", "populate", "serialize", "relay", *COMPRESSION)


def floor_values(operation: str, arms: Mapping[str, Values]) -> dict[int, float]:
    """Give the floor of a group.

    Args:
        operation: of the group.
        arms: arm's name → its figures.

    Returns:
        Process → nanoseconds per message; empty where the floors were not measured.
    """
    copy, strings = arms.get(FLOOR_COPY, {}), arms.get(FLOOR_STRINGS, {})
    if operation in WRITES:
        return dict(copy)
    if operation.startswith("read-"):
        return dict(strings)
    join = sum if operation == "stream" else max
    return {process: join((copy[process], strings[process])) for process in copy.keys() & strings.keys()}
