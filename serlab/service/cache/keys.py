"""The key of a request: a digest that equal requests share, whatever bytes they came as.

What counts, and what does not:

- The order of an object's keys does not count (RFC 8259, section 4), nor does the codec that the request came by. That
  of a list does. A model may see a tool's schema in the order in which it came; here it is the same tool.
- Absent and null are different, as are `1`, `1.0` and `true`, `0.0` and `-0.0`, and texts that differ only in Unicode's
  normal form. A server may treat some of these alike, but none says so: a miss too many costs one call, a hit too many
  is a wrong answer.
- `IGNORED` names fields that say who asks and how the answer is sent, not what it is. Fields of the root only.
- The kind of message, the codec of the answer and the caller's namespace count, so that caches may share a backend.

What the types do not take counts where it stands in the document, so that a request has one key, whatever it came as.

The digest is SHA-256, since with a weaker hash a stranger could make a request that gets another's answer.

Source: FIPS 180-4; the MessagePack specification, whose types keep numbers and texts apart.
"""

import json
from collections.abc import Collection
from hashlib import sha256
from typing import Any

import msgspec

from serlab.errors import EncodeError
from serlab.messages import UNSET, Message, kind_of, to_document
from serlab.messages.base import NO_EXTRA
from serlab.messages.pointer import tokens

IGNORED = frozenset(
    {"stream", "stream_options", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}
)
"""Fields that do not count by default. With `user` among them, users share answers: where an answer must stay with who
asked, take it out, or give each tenant a namespace."""

KEY_BYTES = 32

pack = msgspec.msgpack.Encoder(enc_hook=lambda array: array.tolist(), order="sorted").encode


def key_of(request: Any, ignored: Collection[str] = IGNORED, namespace: bytes = b"") -> bytes:
    """Digest a request.

    Args:
        request: a message, or a document.
        ignored: names of fields of the root that do not count.
        namespace: keeps apart what must not share answers.

    Returns:
        `KEY_BYTES` bytes.

    Raises:
        EncodeError: the request holds what JSON has not.
    """
    kind = kind_of(request).encode()
    head = b"serlab-cache-2 %d %d " % (len(namespace), len(kind))
    return sha256(b"".join((head, namespace, kind, canonical(request, ignored)))).digest()


def canonical(request: Any, ignored: Collection[str] = IGNORED) -> bytes:
    """Write a request in the one form that all its equals share.

    Raises:
        EncodeError: as `key_of`.
    """
    kept = without(request, ignored)
    try:
        if isinstance(kept, Message) and kept.extra is not NO_EXTRA:
            # One form, whichever of its values the types take.
            kept = to_document(kept)
        return b"m" + pack(kept)
    except (OverflowError, UnicodeEncodeError, RecursionError):
        return b"j" + exotic(kept)
    except (TypeError, ValueError, AttributeError) as error:
        raise EncodeError(f"cache: expected a request of JSON values, got one that is not: {error}") from error


def exotic(request: Any) -> bytes:
    """Write what MessagePack has no form for: integers beyond 64 bits, lone surrogates."""
    try:
        return json.dumps(to_document(request), sort_keys=True, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"cache: expected a request of JSON values, got one that is not: {error}") from error


def without(request: Any, ignored: Collection[str]) -> Any:
    """Leave out fields of the root, also where their values did not fit the type and stand in `extra`."""
    if isinstance(request, dict):
        return {name: value for name, value in request.items() if name not in ignored}
    if not isinstance(request, Message):
        return request
    named = {name: UNSET for name in ignored if getattr(request, name, UNSET) is not UNSET}
    extra = {pointer: value for pointer, value in request.extra.items() if root_name(pointer) not in ignored}
    return msgspec.structs.replace(request, **named, extra=extra or NO_EXTRA)


def root_name(pointer: str) -> str | None:
    """Name the field of the root that a pointer leads into; None for the root itself."""
    return tokens(pointer)[0] if pointer else None
