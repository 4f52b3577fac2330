"""What the server says instead of an answer, in the OpenAI API's error shape.

Source: the OpenAI API reference, error codes; RFC 9110, status codes and Retry-After.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from serlab.errors import (
    DecodeError,
    DocumentError,
    EncodeError,
    MissingPackageError,
    NoSchemaError,
    ServiceError,
    UnknownNameError,
)

LOG = logging.getLogger("serlab.wire")

BAD_BODY = (DecodeError, EncodeError, DocumentError, NoSchemaError, UnknownNameError)
"""What a client can bring about: bytes that are no message, or what cannot be answered in the codec it asks for."""

SHOWN = 1000
"""Characters of a complaint that a client is told."""


class ApiError(ServiceError):
    """A request that gets an error for an answer.

    Args:
        status: the HTTP status.
        message: what happened and what to do.
        kind: the API's `type`.
        code: the API's `code`.
        param: the parameter at fault.
        headers: to send along.
    """

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.code, self.param, self.headers = status, kind, code, param, dict(headers)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what another process makes the same refusal of."""
        return type(self), (self.status, str(self), self.kind, self.code, self.param, self.headers)

    def document(self) -> dict[str, Any]:
        """Return the body."""
        return {"error": {"message": one_line(str(self)), "type": self.kind, "param": self.param, "code": self.code}}


def one_line(text: str) -> str:
    """Return a complaint as one line that every encoding can carry: a lone surrogate stands as its escape."""
    return " ".join(text.split())[:SHOWN].encode("utf-8", "backslashreplace").decode()


def api_error_for(error: Exception) -> ApiError:
    """Turn any error into what the client is told; a mistake of the server goes to its log."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, BAD_BODY):
        return ApiError(400, str(error), code="invalid_body")
    if isinstance(error, MissingPackageError):
        return ApiError(415, str(error), code="codec_not_installed")
    if not isinstance(error, Cut):
        LOG.error("a request failed", exc_info=error)
    return ApiError(500, "the server made a mistake; see its log", "server_error", "internal_error")


class Cut(ServiceError):
    """An answer that a fault ends in the middle: the connection goes, no word is said."""


class ClientDisconnected(ServiceError):
    """The client has gone, so nobody hears the answer."""


def injected_error() -> ApiError:
    """Refuse as a server that failed."""
    return ApiError(500, "the model failed (an injected fault); try again", "server_error", "internal_error")


def rate_limited(retry_after_s: float) -> ApiError:
    """Refuse as a server that has enough; `Retry-After` is in whole seconds, `retry-after-ms` is OpenAI's own."""
    headers = {"retry-after": str(max(1, round(retry_after_s))), "retry-after-ms": str(round(retry_after_s * 1000))}
    text = f"rate limit reached (an injected fault); try again in {retry_after_s:g} s"
    return ApiError(429, text, "requests", "rate_limit_exceeded", headers=headers)


def overloaded(why: str) -> ApiError:
    """Refuse what the server has no room for now."""
    return ApiError(503, f"{why}; try again in a second", "server_error", "overloaded", headers={"retry-after": "1"})


# The server's own counters: whether its work stops when the client goes shows in them.


@dataclass(slots=True)
class Stats:
    """What one server has done; `active`, `waiting`, `held` and `untaken` are what it is at.

    Attributes:
        active: answers that are being made now.
        waiting: items that wait for a batch now.
        held: bytes of bodies that have come over HTTP and are not decoded yet.
        untaken: bytes of whole answers over HTTP that are made, or about to be, and not taken yet, with copies.
        completed: answers that the model made whole.
        cancelled: answers that stopped because the client went, its deadline passed or the server was stopped.
        expired: answers that stopped, or were not begun, because a deadline had passed by the server's clock; a client
            that keeps the same deadline often leaves a moment before.
        cut: answers that a fault ended.
        failed: answers that ended by a mistake of the server.
        refused: requests that got an error for an answer; over HTTP also those whose clients went before the body was
            whole, which look like bodies that cannot be read.
        tokens: tokens made, those of whole answers and of streams.
        batches: batches served.
        items: items in them.
    """

    active: int = 0
    waiting: int = 0
    held: int = 0
    untaken: int = 0
    completed: int = 0
    cancelled: int = 0
    expired: int = 0
    cut: int = 0
    failed: int = 0
    refused: int = 0
    tokens: int = 0
    batches: int = 0
    items: int = 0

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count one answer, and how it ended."""
        self.active += 1
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        except Cut:
            self.cut += 1
            raise
        except Exception:
            self.failed += 1
            raise
        else:
            self.completed += 1
        finally:
            self.active -= 1

    def to_dict(self) -> dict[str, int]:
        """Return the counters by name."""
        return asdict(self)
