"""Two arms that do nothing but copy bytes or make strings: the lower bounds of the operations that have to do that.

- `floor: copy` copies the bytes, in the shortest of the encodings that are measured. Whoever writes a message has to
  put its bytes somewhere.
- `floor: strings` makes Python strings of their UTF-8, one after the other with `bytes.decode`, and nothing else: all
  texts of the message, for `read-one` and the access curve those of the fields that are read.

Both are timed in every group; of which operation which one is a bound stands in `serlab.report.floors`. Where the work
can be left out neither is. A floor is no codec: it takes part in no ranking, mean or parity.
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
