"""What the server says instead of an answer, in the OpenAI API's error shape.

Source: the OpenAI API reference, error codes; RFC 9110, status codes and Retry-After.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from serlab.errors import ServiceError


class Refusal(ServiceError):
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

    def document(self) -> dict[str, Any]:
        """Give the body."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


class Cut(ServiceError):
    """An answer that a fault ends in the middle: the connection goes, no word is said."""


class Departed(ServiceError):
    """The client has gone, so nobody hears the answer."""


def injected_error() -> Refusal:
    """Refuse as a server that failed."""
    return Refusal(500, "the model failed (an injected fault); try again", "server_error", "internal_error")


def rate_limited(retry_after_s: float) -> Refusal:
    """Refuse as a server that has enough; `Retry-After` is in whole seconds, `retry-after-ms` is OpenAI's own."""
    headers = {"retry-after": str(max(1, round(retry_after_s))), "retry-after-ms": str(round(retry_after_s * 1000))}
    text = f"rate limit reached (an injected fault); try again in {retry_after_s:g} s"
    return Refusal(429, text, "requests", "rate_limit_exceeded", headers=headers)
