"""The codec contract.

A codec is one wire format bound to one kind of message: a frozen dataclass of functions, so that each stage can be
timed alone and a variant is a `dataclasses.replace`.

    encode = check (non-finite numbers, where the format has none) + populate (message → library object)
             + serialize (library object → bytes)
    decode = deserialize (bytes → library object) + convert (library object → message)
    open   = a view where the format reads lazily (`view` is not None), else decode

A message holds JSON values: object keys are strings, and vectors stand in the form that `from_document` gives them.
What comes back from `decode(encode(message))` equals it; what a format cannot carry raises `EncodeError`. Bytes are one
message, without a length prefix. Codecs hold no state between calls that one call could change for another, so one may
be used by several threads.

A codec keeps between calls what its library lets a program keep (an encoder, a buffer), for each thread its own where
the library does not say that threads may share it. Where that is a choice, the variant `NAME-fresh` makes it anew for
each message.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serlab.errors import DecodeError, DocumentError, EncodeError
from serlab.messages import NO_EXTRA, UNSET, kind_of, set_field

MOST_SHOWN = 2000
"""Characters of a library's complaint that are repeated."""

REFUSALS = (TypeError, ValueError, LookupError, OverflowError, RecursionError, AttributeError, MemoryError)
"""What libraries raise on a message or on bytes that they cannot take."""

Route = Callable[[Any, Any], str]
"""(model, stream) → the model to ask instead; each is UNSET where the message does not have it as that attribute."""


def _unguarded(data: bytes) -> None:
    """Let a message of any length pass: the guard of a codec that was not opened by `open_codec`."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One wire format bound to one kind of message.

    Attributes:
        name: the codec's name in the registry.
        message: the kind: a message type's name, or "document".
        version: the library's version.
        populate: message → library object.
        serialize: library object → bytes; where the library has such a callable, it is that callable.
        deserialize: bytes → library object; likewise.
        convert: library object → message.
        view: bytes → lazy reader with the message's attribute names; None where the format has none.
        refusals: the exceptions with which the library refuses.
        reroute: (bytes, route) → bytes with another `model`, where the format can do that for less than decode and
            encode; see `relay`.
        settled_bytes: the length up to which a message needs no look at its limits; see `serlab.codecs.limits`.
        guard: bytes → None, or DecodeError where a longer message is beyond a limit.
        learns: how many messages of one shape it encodes until it does so at full speed; a program that runs for long
            has long been there, so whoever measures encodes as many first.
        check: message → None, or EncodeError where it holds what the library would change without notice; None where
            there is nothing to look for.
        verifies: whether it may be given bytes from strangers, within its limits: `open_codec` says so, nobody else.
    """

    name: str
    message: str
    version: str
    populate: Callable[[Any], Any]
    serialize: Callable[[Any], bytes]
    deserialize: Callable[[bytes], Any]
    convert: Callable[[Any], Any]
    view: Callable[[bytes], Any] | None = None
    refusals: tuple[type[Exception], ...] = REFUSALS
    reroute: Callable[[bytes, Route], bytes] | None = None
    settled_bytes: int = sys.maxsize
    guard: Callable[[bytes], None] = _unguarded
    learns: int = 0
    check: Callable[[Any], None] | None = None
    verifies: bool = False

    def encode(self, message: Any) -> bytes:
        """Turn a message into bytes.

        Args:
            message: of the kind that the codec is bound to.

        Returns:
            One message, no length prefix.

        Raises:
            EncodeError: the message is of another kind, or holds what the format cannot carry.
        """
        if self.message != "document" and type(message).__name__ != self.message:
            raise EncodeError(f"{self.name}: expected a {self.message}, got a {kind_of(message)}")
        try:
            if self.check is not None:
                self.check(message)
            return self.serialize(self.populate(message))
        except EncodeError:
            raise
        except self.refused_by() as error:
            raise EncodeError(f"{self.name}: cannot carry this {self.message}: {reason(error)}") from error

    def decode(self, data: bytes) -> Any:
        """Turn bytes into the message that was encoded.

        Args:
            data: one message, no length prefix.

        Returns:
            A message equal to the one that was encoded.

        Raises:
            DecodeError: the bytes are not one whole message of this format, or beyond a limit.
        """
        try:
            # Here and not in a function of its own: the call would cost 2 to 4 % of a short message.
            if len(data) > self.settled_bytes:
                self.guard(data)
            return self.convert(self.deserialize(data))
        except DecodeError:
            raise
        except self.refused_by() as error:
            raise DecodeError(self.refused(data, error)) from error

    def open(self, data: bytes) -> Any:
        """Return a lazy reader over the bytes, or the decoded message where the format has none.

        Args:
            data: one message, no length prefix; a view keeps it alive.

        Returns:
            An object with the message's attribute names.

        Raises:
            DecodeError: the bytes are not a message of this format, or beyond a limit.
        """
        if self.view is None:
            return self.decode(data)
        try:
            if len(data) > self.settled_bytes:
                self.guard(data)
            return self.view(data)
        except self.refused_by() as error:
            if isinstance(error, DecodeError) and str(error).startswith(f"{self.name}: "):
                raise
            raise DecodeError(self.refused(data, error)) from error

    def relay(self, data: bytes, route: Route) -> bytes:
        """Pass a message on under another `model`, as a gateway does.

        Args:
            data: one message, no length prefix.
            route: chooses the model by what the message has in `model` and `stream`, as attributes: a value of another
                type is in `extra` and stands there as UNSET.

        Returns:
            The message with the chosen model, also in place of a value that is no name, and everything else as it was.

        Raises:
            DecodeError: the bytes are not one whole message of this format, or beyond a limit.
            EncodeError: the format cannot carry the chosen model, or the body is no object, which could have one.
        """
        if self.reroute is None:
            message = self.decode(data)
            set_model(message, route)
            return self.encode(message)
        try:
            if len(data) > self.settled_bytes:
                self.guard(data)
            return self.reroute(data, route)
        except (DecodeError, EncodeError):
            raise
        except self.refused_by() as error:
            raise DecodeError(self.refused(data, error)) from error

    def refused_by(self) -> tuple[type[Exception], ...]:
        """List the exceptions that mean a refusal: the library's and that of the documents."""
        return (DocumentError, *self.refusals)

    def refused(self, data: bytes, error: Exception) -> str:
        """Say what was refused."""
        return f"{self.name}: expected one whole {self.message}, got {len(data)} bytes that are not: {reason(error)}"


def set_model(message: Any, route: Route) -> None:
    """Choose a message's model, or that of a document, and write it there, also in place of a value that is no name.

    Raises:
        EncodeError: the body is no object, which could have a model.
    """
    if isinstance(message, dict):
        message["model"] = route(message.get("model", UNSET), message.get("stream", UNSET))
    elif hasattr(message, "model"):
        if message.extra is not NO_EXTRA:
            _drop_model(message)
        set_field(message, "model", route(message.model, getattr(message, "stream", UNSET)))
    else:
        raise _no_model(message)


def _drop_model(message: Any) -> None:
    """Take a model that is no name out of a message's `extra`."""
    if "" in message.extra:
        raise _no_model(message.extra[""])
    rest = dict(message.extra)  # A copy takes 20 ns for an entry, a dict that grows 300.
    rest.pop("/model", None)
    set_field(message, "extra", rest or NO_EXTRA)


def _no_model(body: Any) -> EncodeError:
    """Make the error for a body that is no object."""
    return EncodeError(f"expected a message or an object with a model, got a {type(body).__name__}")


def reason(error: Exception) -> str:
    """Return a library's complaint in one line; many raise with an empty text."""
    if isinstance(error, RecursionError):
        # Python adds where, which depends on how deep the caller is.
        return "RecursionError: maximum recursion depth exceeded"
    text = str(error)
    text = " ".join((text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}...").split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
