"""What comes of a call instead of an answer, the same for every transport.

ServiceError
└── CallError               no whole answer came
    ├── CallTimeoutError    time was up; `phase` says which
    ├── RefusedError        the server answered with an error; `status`, `retry_after_s`
    └── BrokenError         no connection, or it ended, or what came on it is no answer; `began`
"""

from typing import Literal

from serlab.errors import ServiceError

Phase = Literal["connect", "first byte", "between tokens", "total", "deadline"]
SHOWN = 300
"""Characters of a server's complaint that are repeated."""

LONGEST = 15
"""Digits of a time that is believed."""


class CallError(ServiceError):
    """A call without a whole answer."""


class CallTimeoutError(CallError):
    """Time was up.

    Args:
        phase: what took too long.
        limit_s: how long it might have taken, in seconds; of a deadline, what was left when the call began.
        where: what was called.
    """

    passing = True

    def __init__(self, phase: Phase, limit_s: float, where: str) -> None:
        remedy = "the server is told of it too" if phase == "deadline" else "raise it in Timeouts, or try elsewhere"
        super().__init__(f"{where}: {phase}: expected within {limit_s:g} s, got nothing; {remedy}")
        self.phase: Phase = phase
        self.limit_s = limit_s


class RefusedError(CallError):
    """The server's own error.

    Args:
        status: the status of HTTP; over gRPC the one that stands for its code.
        message: what the server says.
        retry_after_s: when to come again, in seconds, if it says so.
        where: what was called.
    """

    def __init__(self, status: int, message: str, retry_after_s: float | None, where: str) -> None:
        super().__init__(f"{where}: expected an answer, got {status}: {printable(message)}")
        self.status = status
        self.retry_after_s = retry_after_s


class BrokenError(CallError):
    """The connection failed, or ended in the middle of an answer.

    Args:
        reason: what happened.
        where: what was called.
        began: whether a part of the answer had come; if not, the server may still have worked.
    """

    passing = True

    def __init__(self, reason: str, where: str, began: bool = False) -> None:
        expected = "the rest of the answer" if began else "an answer"
        super().__init__(f"{where}: expected {expected}, got {reason}")
        self.began = began


def said(error: BaseException) -> str:
    """Give a library's complaint in one line; many are empty."""
    text = printable(str(error))
    return f"{type(error).__name__}: {text}"[:SHOWN] if text else type(error).__name__


def printable(text: str) -> str:
    """Give what a server or a library says as one line without control characters, which a terminal would obey."""
    words = " ".join(text[: 2 * SHOWN].split())
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in words)[:SHOWN]


def retry_after(headers: object) -> float | None:
    """Read when to come again: `retry-after-ms`, else whole seconds of `Retry-After`.

    Args:
        headers: a mapping that does not mind upper and lower case; or one of gRPC's metadata.
    """
    get = getattr(headers, "get")  # noqa: B009, the libraries share no type
    for name, scale in (("retry-after-ms", 1000), ("grpc-retry-pushback-ms", 1000), ("retry-after", 1)):
        value = str(get(name) or "")
        # Fifteen digits are 30,000 years; more would be read as an infinity.
        if len(value) <= LONGEST and value.replace(".", "", 1).isdecimal():
            return float(value) / scale
    return None
