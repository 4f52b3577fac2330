"""Two arms that no codec can beat: the floor of every group.

- `floor: copy` copies the bytes, in the shortest of the encodings that are measured. Whoever writes a message has to
  put its bytes somewhere, and whoever gives a message that owns its data has to move it once.
- `floor: strings` makes Python strings of their UTF-8, and nothing else: all texts of the message, for `read-one` and
  the access curve those of the fields that are read.

A floor is no codec: it takes part in no ranking, mean or parity.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from serlab.measure.arms import Arm
from serlab.measure.load import Bound
from serlab.measure.paths import strings
from serlab.stats import FLOOR_COPY, FLOOR_STRINGS


def copy_arm(codecs: Sequence[Bound]) -> Arm:
    """Give the arm that copies each message's bytes; `bytes` of a memoryview copies, `bytes` of bytes does not."""
    shortest = min((bound.encoded for bound in codecs), key=lambda encoded: sum(map(len, encoded)))
    return Arm(FLOOR_COPY, bytes, [memoryview(data) for data in shortest], len(shortest))


def strings_arm(read: Iterable[Any]) -> Arm:
    """Give the arm that makes strings.

    Args:
        read: for each message, what an operation reads of it: the message itself, a field, or a list of fields.
    """
    items = [[text.encode("utf-8", "replace") for text in strings(value)] for value in read]
    return Arm(FLOOR_STRINGS, make_strings, items, len(items))


def make_strings(parts: list[bytes]) -> list[str]:
    """Make strings of UTF-8."""
    return list(map(bytes.decode, parts))
