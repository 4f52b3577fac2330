"""Numbers that no two callers get, whatever threads or tasks they are.

`count += 1` is three steps: a thread that is stopped between them gives a number twice. Within one event loop it is
safe as long as no `await` stands between the steps.
"""

from itertools import count
from threading import Lock


class Ticket:
    """Numbers by `itertools.count`: one call into C, which no thread gets between under the interpreter's lock."""

    def __init__(self, start: int = 0) -> None:
        self.next = count(start).__next__


class CountingLock:
    """Numbers under a `threading.Lock`, which also tells how many there were.

    Attributes:
        value: the next number.
    """

    def __init__(self, start: int = 0) -> None:
        self.value = start
        self.lock = Lock()

    def next(self) -> int:
        """Give the next number."""
        with self.lock:
            number = self.value
            self.value = number + 1
        return number
