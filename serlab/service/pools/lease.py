"""An object out of a pool, and the one time that it goes back."""

from types import TracebackType
from typing import Generic, Protocol, TypeVar

from serlab.errors import ServiceError

T = TypeVar("T")


class Lender(Protocol[T]):
    """What a lease needs of a pool."""

    def acquire(self) -> T:
        """Take an object."""

    def release(self, item: T) -> None:
        """Give it back."""


class Lease(Generic[T]):
    """An object for the length of a block, or until `release`, for whoever hands it on.

    Args:
        pool: where it goes back to.
    """

    __slots__ = ("held", "object", "pool")

    def __init__(self, pool: Lender[T]) -> None:
        self.pool = pool
        self.object = pool.acquire()
        self.held = True

    def release(self) -> None:
        """Give it back.

        Raises:
            ServiceError: it was given back before, or is still in use.
        """
        if not self.held:
            raise ServiceError("lease: expected to be given back once, got twice; the object may be another's by now")
        self.held = False
        self.pool.release(self.object)

    def __enter__(self) -> T:
        return self.object

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.held:
            self.release()
