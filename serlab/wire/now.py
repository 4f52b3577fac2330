"""Running a coroutine that never waits, without an event loop: what code inside this process looks like to a caller."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from serlab.errors import ServiceError

T = TypeVar("T")


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns.

    Args:
        coroutine: one that waits for nothing, such as those of `serlab.wire.cache.cache`.

    Raises:
        ServiceError: it waits after all.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise ServiceError("expected a coroutine that waits for nothing, got one that does; await it in an event loop")
