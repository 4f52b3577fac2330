"""What a client gives, and what else gives it: retries, gateways, whatever stands in front of a client."""

from collections.abc import AsyncGenerator
from typing import Any, NamedTuple, Protocol

from serlab.service.deadlines import Deadline


class Answer(NamedTuple):
    """A whole answer.

    Attributes:
        message: what came.
        began_ns: when the call began, before encoding, by `time.perf_counter_ns`.
        first_ns: when the first bytes of the body came.
        ended_ns: when the last had come, before decoding.
    """

    message: Any
    began_ns: int
    first_ns: int
    ended_ns: int


class Chunk(NamedTuple):
    """A part of a streamed answer.

    Attributes:
        message: what came.
        time_ns: when its last bytes came, before unwrapping and decoding; those that came together have one time.
    """

    message: Any
    time_ns: int


class Caller(Protocol):
    """Answers requests: a client, or what stands in front of one."""

    async def call(self, request: Any, deadline: Deadline | None = None) -> Answer:
        """Get a whole answer.

        Raises:
            CallError: there is none.
        """
        ...

    def stream(self, request: Any, deadline: Deadline | None = None) -> AsyncGenerator[Chunk, None]:
        """Get an answer as it comes; leave it early by `aclose`.

        Raises:
            CallError: it ended before its time.
        """
        ...
