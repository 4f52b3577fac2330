"""A map of bytes inside this process, which `serlab.service.cache.bounded` keeps within a bound."""

from collections.abc import Iterable, Iterator
from typing import Protocol


class Store(Protocol):
    """A map of bytes.

    Attributes:
        failures: the exceptions of an operation that failed and changed nothing.
    """

    failures: tuple[type[Exception], ...]

    def get(self, key: bytes) -> bytes | None:
        """Give a value."""

    def put(self, key: bytes, value: bytes, victims: Iterable[bytes]) -> None:
        """Remove some values and keep one, both or neither."""

    def remove(self, keys: Iterable[bytes]) -> None:
        """Remove values."""

    def sizes(self) -> Iterator[tuple[bytes, int]]:
        """List keys, each with the bytes of its value."""

    def close(self) -> None:
        """Give back what it holds."""


class MemoryStore:
    """A dict: the floor that other stores are measured against."""

    failures: tuple[type[Exception], ...] = ()

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.get = self.values.get

    def put(self, key: bytes, value: bytes, victims: Iterable[bytes]) -> None:
        """Remove some values and keep one."""
        self.remove(victims)
        self.values[key] = value

    def remove(self, keys: Iterable[bytes]) -> None:
        """Remove values."""
        for key in keys:
            self.values.pop(key, None)

    def sizes(self) -> Iterator[tuple[bytes, int]]:
        """List keys, each with the bytes of its value."""
        return ((key, len(value)) for key, value in self.values.items())

    def close(self) -> None:
        """Forget all."""
        self.values.clear()
