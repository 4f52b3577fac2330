"""What the tests of the service share."""

import asyncio
import selectors
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from serlab.messages import ChatRequest, from_document
from serlab.wire import Addresses, ModelServer
from tests.conftest import PATIENCE_S, moments

T = TypeVar("T")
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Tell me of the sea."}]}
HELLO = from_document("ChatRequest", CHAT)
PATH = "/v1/chat/completions"
HANG_S = 300.0
"""After so long a test is ended that waits for what does not come; nothing is judged by it."""


def bounded(work: Coroutine[Any, Any, T], seconds: float = HANG_S) -> T:
    """Run a test's coroutine, but not for ever."""

    async def limited() -> T:
        return await asyncio.wait_for(work, seconds)

    return asyncio.run(limited())


def leaping(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop whose clock leaps to the next timer, so that its waits take exactly what they ask for.

    What waits for nothing but timers has the same times on every machine, and takes none.
    """
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(work)


class LeapingSelector(selectors.SelectSelector):
    """Does not wait for a timer, but notes that the time has passed."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Look which files are ready; wait for them only where there is no timer."""
        self.now_s += max(0.0, timeout or 0.0)
        return super().select(None if timeout is None else 0)


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self.selector = LeapingSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        """Return the seconds since the start."""
        return self.selector.now_s


def trust(addresses: Addresses) -> ssl.SSLContext:
    """Trust a server's own authority."""
    return ssl.create_default_context(cafile=addresses.ca_file)


def client(server: ModelServer, **options: Any) -> httpx2.AsyncClient:
    """Make a client for the server without TLS."""
    return httpx2.AsyncClient(base_url=server.addresses.http, timeout=HANG_S, trust_env=False, **options)


def asking(**fields: Any) -> dict[str, Any]:
    """Return a chat request's document with more fields."""
    return {**CHAT, **fields}


async def until(condition: Any, seconds: float = PATIENCE_S) -> bool:
    """Wait until something holds; tell whether it came to hold."""
    for _ in moments(seconds):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return bool(condition())


def request(**fields: Any) -> ChatRequest:
    """Return a chat request with more fields."""
    return from_document("ChatRequest", asking(**fields))


def resident_mb(pid: int) -> float:
    """Read how much memory a process has, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6
