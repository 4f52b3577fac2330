"""What the tests of the service share."""

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx2

from serlab.messages import ChatRequest, from_document
from serlab.service import Addresses, ModelServer

T = TypeVar("T")
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Tell me of the sea."}]}
HELLO = from_document("ChatRequest", CHAT)
PATH = "/v1/chat/completions"


def bounded(work: Coroutine[Any, Any, T], seconds: float = 30.0) -> T:
    """Run a test's coroutine, but not for long."""

    async def limited() -> T:
        return await asyncio.wait_for(work, seconds)

    return asyncio.run(limited())


def trust(addresses: Addresses) -> ssl.SSLContext:
    """Trust a server's own authority."""
    return ssl.create_default_context(cafile=addresses.ca_file)


def client(server: ModelServer, **options: Any) -> httpx2.AsyncClient:
    """Make a client for the server without TLS."""
    return httpx2.AsyncClient(base_url=server.addresses.http, timeout=20, trust_env=False, **options)


def asking(**fields: Any) -> dict[str, Any]:
    """Give a chat request's document with more fields."""
    return {**CHAT, **fields}


async def until(condition: Any, seconds: float = 5.0) -> bool:
    """Wait until something holds; tell whether it came to hold."""
    for _ in range(int(seconds / 0.01)):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False


def request(**fields: Any) -> ChatRequest:
    """Give a chat request with more fields."""
    return from_document("ChatRequest", asking(**fields))
