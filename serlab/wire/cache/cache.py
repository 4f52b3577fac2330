"""A cache of answers: requests in, encoded answers out, and a miss wherever anything is wrong.

    cache = Cache(Bounded(LmdbStore(), 64 << 20), open_codec("msgspec-json", "ChatResponse"), ttl_s=3600)
    key = cache.key(request)
    answer = await cache.get(key)
    if answer is None:
        answer = await ask(request)
        await cache.put(key, answer)

`get_raw` gives the bytes as they were put, for a client that reads the cache's own codec: nothing is decoded.

When an entry expires stands in it as Unix time, so that processes, restarts and machines agree. That clock may be set:

- back: an entry is good for as long as it was, and for at most `ttl_s` from the first get after that, which writes the
  new time into it. So no step lengthens a life by more than `ttl_s`, and none ends one.
- forward: an entry may expire by as much too early, which is a miss.

`Cache(…, Compressed(codec))` keeps the bytes compressed, so that the same room holds more answers; a hit then pays for
decompressing and a put for compressing.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from struct import Struct
from threading import Lock
from typing import Any, NamedTuple, Protocol

import msgspec
import zstandard

from serlab import codecs
from serlab.cases import ZSTD
from serlab.codecs import Codec, check_verifies
from serlab.errors import DecodeError, EncodeError, ServiceError
from serlab.frames import decode_frame, encode_frame
from serlab.limits import DEFAULT_LIMITS
from serlab.messages import NO_EXTRA, UNSET, Message, kind_of, to_document, tokens

# What a cache asks of the place where entries are kept.


@dataclass(slots=True)
class BackendStats:
    """What happened to entries where they are kept.

    Attributes:
        evicted: entries that made room for others.
        refused: entries that were not kept, since they are larger than the whole or found no room.
        failed: calls that the backend did not answer; they are misses.
    """

    evicted: int = 0
    refused: int = 0
    failed: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the counters by name."""
        return asdict(self)


class Backend(Protocol):
    """Keeps entries, which are bytes; what it cannot do it counts, and never raises.

    Attributes:
        stats: its counters.
    """

    stats: BackendStats

    async def get(self, key: bytes) -> bytes | None:
        """Return an entry; None where there is none."""

    async def put(self, key: bytes, sealed: bytes, ttl_s: float) -> None:
        """Keep an entry, for at most so many seconds where the backend knows of time; 0 is for ever."""

    async def delete(self, key: bytes) -> None:
        """Forget an entry."""

    async def close(self) -> None:
        """Give back what it holds."""


# A map of bytes inside this process, which `serlab.wire.cache.cache` keeps within a bound.


class Store(Protocol):
    """A map of bytes.

    Attributes:
        failures: the exceptions of an operation that failed and changed nothing.
    """

    failures: tuple[type[Exception], ...]

    def get(self, key: bytes) -> bytes | None:
        """Return a value."""

    def put(self, key: bytes, value: bytes, victims: Iterable[bytes]) -> None:
        """Remove some values and keep one, both or neither."""

    def remove(self, keys: Iterable[bytes]) -> None:
        """Remove values."""

    def sizes(self) -> Iterator[tuple[bytes, int]]:
        """List keys, each with the bytes of its value."""

    def close(self) -> None:
        """Give back what it holds."""


class MemoryStore:
    """A dict: the floor that other stores are measured against."""

    failures: tuple[type[Exception], ...] = ()

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.get = self.values.get

    def put(self, key: bytes, value: bytes, victims: Iterable[bytes]) -> None:
        """Remove some values and keep one."""
        self.remove(victims)
        self.values[key] = value

    def remove(self, keys: Iterable[bytes]) -> None:
        """Remove values."""
        for key in keys:
            self.values.pop(key, None)

    def sizes(self) -> Iterator[tuple[bytes, int]]:
        """List keys, each with the bytes of its value."""
        return ((key, len(value)) for key, value in self.values.items())

    def close(self) -> None:
        """Forget all."""
        self.values.clear()


# A bound in bytes for a store inside this process: the entry that was used longest ago goes first.
#
# Bytes are counted as keys and entries, the same for every store; what a store needs beside them comes on top.
#
# Safe for threads and event loops: a lock is held for one look-up or one write, and nothing waits while it is held.
# The methods are coroutines since those of a server are; these never give up the loop.


class Bounded:
    """A backend: a store with a bound.

    Args:
        store: where values are kept; what is in it already counts, and goes before what comes.
        capacity_bytes: of keys and values together.

    Raises:
        ServiceError: the capacity is not above 0, or the store is damaged; it is closed then.
    """

    def __init__(self, store: Store, capacity_bytes: int) -> None:
        if capacity_bytes <= 0:
            raise ServiceError(f"cache: expected a capacity above 0 bytes, got {capacity_bytes}")
        self.store = store
        self.capacity = capacity_bytes
        self.stats = BackendStats()
        self.lock = Lock()
        try:
            self.order = OrderedDict((key, len(key) + size) for key, size in store.sizes())
        except store.failures as error:
            store.close()
            raise ServiceError(f"cache: cannot list what is kept: {error}; delete it and begin anew") from error
        self.used = sum(self.order.values())
        self.evict(capacity_bytes)

    async def get(self, key: bytes) -> bytes | None:
        """Return an entry; None where there is none, or the store cannot read it."""
        with self.lock:
            if key not in self.order:
                return None
            self.order.move_to_end(key)
            try:
                return self.store.get(key)
            except self.store.failures:
                self.stats.failed += 1
                return None

    async def put(self, key: bytes, sealed: bytes, ttl_s: float = 0) -> None:
        """Keep an entry; one beyond the capacity is refused and takes the key's old one with it."""
        size = len(key) + len(sealed)
        with self.lock:
            if size > self.capacity or not self.keep(key, sealed, self.capacity - size):
                self.stats.refused += 1
                self.forget([key])

    async def delete(self, key: bytes) -> None:
        """Forget an entry."""
        with self.lock:
            self.forget([key])

    async def close(self) -> None:
        """Close the store."""
        with self.lock:
            self.order.clear()
            self.used = 0
            self.store.close()

    def keep(self, key: bytes, sealed: bytes, room: int) -> bool:
        """Write an entry and remove what must go; tell whether the store took it.

        A store of pages may be full before its values add up to the capacity: then half of them go first.
        """
        for attempt in range(2):
            victims = self.victims(room, key)
            try:
                self.store.put(key, sealed, victims)
            except self.store.failures:
                if attempt or not self.evict(self.used // 2):
                    return False
                continue
            self.stats.evicted += len(victims)
            self.drop([*victims, key])
            self.order[key] = len(key) + len(sealed)
            self.used += self.order[key]
            return True
        return False

    def victims(self, room: int, spared: bytes = b"") -> list[bytes]:
        """Choose what must go so that the rest takes at most `room` bytes; the spared key's value goes anyway."""
        chosen, left = [], self.used - self.order.get(spared, 0)
        for key, size in self.order.items():
            if left <= room:
                break
            if key != spared:
                chosen.append(key)
                left -= size
        return chosen

    def evict(self, room: int) -> bool:
        """Make values go until the rest takes at most `room` bytes; tell whether that worked."""
        victims = self.victims(room)
        self.stats.evicted += len(victims)
        return self.forget(victims)

    def forget(self, keys: list[bytes]) -> bool:
        """Remove values; where the store cannot, they are never asked for again."""
        self.drop(keys)
        try:
            self.store.remove(keys)
        except self.store.failures:
            self.stats.failed += 1
            return False
        return True

    def drop(self, keys: Iterable[bytes]) -> None:
        """Take keys out of the order."""
        for key in keys:
            self.used -= self.order.pop(key, 0)


# An entry: an encoded answer and when it expires, in a frame that is bound to its key.
#
#     frame (16 bytes, see `serlab.frames`)   u64 expiry in milliseconds of Unix time, 0 for never   the encoded answer
#
# The frame's sequence number is made of the key. So the check fails for an entry that is damaged, and for a whole one
# under a wrong key too: what a client gets that read the answer to another command.

EXPIRY = Struct("<Q")
NEVER = 0


class Entry(NamedTuple):
    """What an entry holds.

    Attributes:
        data: the encoded answer.
        expires_ms: Unix time, `NEVER` for never.
    """

    data: bytes
    expires_ms: int


def seal(key: bytes, entry: Entry) -> bytes:
    """Write an entry.

    Args:
        key: of `serlab.wire.cache.cache`.
        entry: what to write.

    Raises:
        EncodeError: it is beyond what a frame holds.
    """
    return encode_frame(EXPIRY.pack(entry.expires_ms) + entry.data, _binding(key))


def _unseal(key: bytes, sealed: bytes) -> Entry:
    """Read an entry.

    Raises:
        DecodeError: it is damaged, or another key's.
    """
    payload = decode_frame(sealed, _binding(key))
    if len(payload) < EXPIRY.size:
        raise DecodeError(f"cache: expected an entry of {EXPIRY.size} bytes or more, got {len(payload)}; write it anew")
    return Entry(payload[EXPIRY.size :], EXPIRY.unpack_from(payload)[0])


def _binding(key: bytes) -> int:
    """Make the sequence number of a key's frame."""
    return int.from_bytes(key[:8], "little")


# The key of a request: a digest that equal requests share, whatever bytes they came as.
#
# What counts, and what does not:
#
# - The order of an object's keys does not count (RFC 8259, section 4), nor does the codec that the request came by.
# That   of a list does. A model may see a tool's schema in the order in which it came; here it is the same tool. -
# Absent and null are different, as are `1`, `1.0` and `true`, `0.0` and `-0.0`, and texts that differ only in
# Unicode's   normal form. A server may treat some of these alike, but none says so: a miss too many costs one call, a
# hit too many   is a wrong answer. - `IGNORED` names fields that say who asks and how the answer is sent, not what it
# is. Fields of the root only. - The kind of message, the codec of the answer and the caller's namespace count, so that
# caches may share a backend.
#
# What the types do not take counts where it stands in the document, so that a request has one key, whatever it came
# as.
#
# The digest is SHA-256, since with a weaker hash a stranger could make a request that gets another's answer.
#
# Source: FIPS 180-4; the MessagePack specification, whose types keep numbers and texts apart.

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
    return sha256(b"".join((head, namespace, kind, _canonical(request, ignored)))).digest()


def _canonical(request: Any, ignored: Collection[str] = IGNORED) -> bytes:
    """Write a request in the one form that all its equals share.

    Raises:
        EncodeError: as `key_of`.
    """
    kept = _without(request, ignored)
    try:
        if isinstance(kept, Message) and kept.extra is not NO_EXTRA:
            # One form, whichever of its values the types take.
            kept = to_document(kept)
        return b"m" + pack(kept)
    except (OverflowError, UnicodeEncodeError, RecursionError):
        return b"j" + _exotic(kept)
    except (TypeError, ValueError, AttributeError) as error:
        raise EncodeError(f"cache: expected a request of JSON values, got one that is not: {error}") from error


def _exotic(request: Any) -> bytes:
    """Write what MessagePack has no form for: integers beyond 64 bits, lone surrogates."""
    try:
        return json.dumps(to_document(request), sort_keys=True, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"cache: expected a request of JSON values, got one that is not: {error}") from error


def _without(request: Any, ignored: Collection[str]) -> Any:
    """Leave out fields of the root, also where their values did not fit the type and stand in `extra`."""
    if isinstance(request, dict):
        return {name: value for name, value in request.items() if name not in ignored}
    if not isinstance(request, Message):
        return request
    named = {name: UNSET for name in ignored if getattr(request, name, UNSET) is not UNSET}
    extra = {pointer: value for pointer, value in request.extra.items() if _root_name(pointer) not in ignored}
    return msgspec.structs.replace(request, **named, extra=extra or NO_EXTRA)


def _root_name(pointer: str) -> str | None:
    """Name the field of the root that a pointer leads into; None for the root itself."""
    return tokens(pointer)[0] if pointer else None


LEVEL = 3
"""Of zstd; its own default."""
MOST_TTL_S = 10**12
"""30,000 years; an entry and Redis count milliseconds in 63 bits."""
SKEW_MS = 1000
"""By how much the clocks of machines that share a backend may differ before it counts as a step."""


@dataclass(slots=True)
class CacheStats:
    """What was asked of a cache; `corrupt` and `expired` are misses too.

    Attributes:
        hits: answers that were found.
        misses: those that were not.
        corrupt: entries that were damaged, of another key, or no message of the codec; they are deleted.
        expired: entries whose time was over; they are deleted.
    """

    hits: int = 0
    misses: int = 0
    corrupt: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Compressed:
    """A codec for a cache whose bytes are compressed by zstd, each answer by itself; for one thread.

    Attributes:
        codec: writes and reads what is compressed.
    """

    codec: Codec
    _compressor: zstandard.ZstdCompressor = field(
        default_factory=lambda: zstandard.ZstdCompressor(level=LEVEL), repr=False, compare=False
    )
    _decompressor: zstandard.ZstdDecompressor = field(
        default_factory=zstandard.ZstdDecompressor, repr=False, compare=False
    )

    @property
    def name(self) -> str:
        """The codec's name and how its bytes are kept."""
        return self.codec.name + ZSTD

    @property
    def message(self) -> str:
        """The kind of message."""
        return self.codec.message

    def encode(self, message: Any) -> bytes:
        """Encode and compress.

        Raises:
            EncodeError: the codec cannot carry the message.
        """
        return self._compressor.compress(self.codec.encode(message))

    def decode(self, data: bytes) -> Any:
        """Decompress and decode.

        Raises:
            DecodeError: the bytes are not one compressed message, or would be longer than is allowed.
        """
        try:
            size, most = zstandard.frame_content_size(data), _unpacked(len(data))
            if size > most:
                raise DecodeError(
                    f"{self.name}: limit max_bytes: expected at most {most:,} bytes, got {size:,} uncompressed"
                )
            plain = self._decompressor.decompress(data, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise DecodeError(f"{self.name}: expected one zstd frame, got {len(data)} other bytes: {error}") from error
        return codecs.decode_untrusted(self.codec, plain)


class Cache:
    """Answers by request, for one event loop; several may share a backend.

    Args:
        backend: where entries are kept.
        codec: of the answers.
        ttl_s: how long an answer is good; 0 for ever. Of caches that share entries the shortest time counts, from when
            that cache reads one.
        ignored: fields of a request that do not count.
        namespace: keeps answers apart from those of other caches on the backend.
        clock: gives Unix time in seconds.

    Raises:
        ServiceError: the time is below 0, or beyond what an entry can say.
        UnknownNameError: the codec does not verify what it reads: what a backend holds, others may have put there.
    """

    def __init__(
        self,
        backend: Backend,
        codec: Codec | Compressed,
        *,
        ttl_s: float = 0,
        ignored: Collection[str] = IGNORED,
        namespace: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 0 <= ttl_s <= MOST_TTL_S:
            raise ServiceError(f"cache: expected a ttl_s of 0 (for ever) to {MOST_TTL_S:,} s, got {ttl_s}")
        check_verifies(_plain_codec(codec).name)
        self.backend, self.codec, self.ttl_s, self.clock = backend, codec, ttl_s, clock
        self.ignored = frozenset(ignored)
        self.namespace = "\0".join((namespace, codec.message, codec.name)).encode()
        self.stats = CacheStats()

    def key(self, request: Any) -> bytes:
        """Digest a request; see `serlab.wire.cache.cache`.

        Raises:
            EncodeError: it holds what JSON has not.
        """
        return key_of(request, self.ignored, self.namespace)

    async def get_raw(self, key: bytes) -> bytes | None:
        """Return an answer's bytes; None on a miss."""
        data = await self.find(key)
        self.count(data is not None)
        return data

    async def get(self, key: bytes) -> Any:
        """Return an answer; None on a miss."""
        data = await self.find(key)
        try:
            answer = None if data is None else self.decode(data)
        except DecodeError:
            # Whole bytes, but of an older version of the schema, or put raw by somebody else.
            answer = None
            await self.corrupt(key)
        self.count(answer is not None)
        return answer

    def decode(self, data: bytes) -> Any:
        """Decode an answer's bytes, which are a stranger's: whoever may write to the backend has made them.

        Raises:
            DecodeError: they are none.
        """
        return (
            self.codec.decode(data) if isinstance(self.codec, Compressed) else codecs.decode_untrusted(self.codec, data)
        )

    async def put(self, key: bytes, answer: Any) -> None:
        """Keep an answer.

        Raises:
            EncodeError: the codec cannot carry it.
        """
        await self.put_raw(key, self.codec.encode(answer))

    async def put_raw(self, key: bytes, data: bytes) -> None:
        """Keep an answer's bytes, as the codec wrote them."""
        expires_ms = max(NEVER + 1, round((self.clock() + self.ttl_s) * 1000)) if self.ttl_s else NEVER
        await self.backend.put(key, seal(key, Entry(data, expires_ms)), self.ttl_s)

    async def find(self, key: bytes) -> bytes | None:
        """Return the bytes of an answer that is whole and good."""
        sealed = await self.backend.get(key)
        if sealed is None:
            return None
        try:
            entry = _unseal(key, sealed)
        except DecodeError:
            await self.corrupt(key)
            return None
        left_ms = entry.expires_ms - self.clock() * 1000
        if entry.expires_ms == NEVER or left_ms > 0:
            if self.ttl_s and (entry.expires_ms == NEVER or left_ms > self.ttl_s * 1000 + SKEW_MS):
                # Another cache's time is longer, or the clock was set back since it was put: it would live on by years.
                await self.put_raw(key, entry.data)
            return entry.data
        self.stats.expired += 1
        await self.backend.delete(key)
        return None

    async def corrupt(self, key: bytes) -> None:
        """Count a corrupt entry and delete it."""
        self.stats.corrupt += 1
        await self.backend.delete(key)

    def count(self, hit: bool) -> None:
        """Count a hit or a miss."""
        if hit:
            self.stats.hits += 1
        else:
            self.stats.misses += 1

    def counts(self) -> dict[str, int]:
        """Give all counters by name, the backend's too."""
        return asdict(self.stats) | self.backend.stats.to_dict()

    async def close(self) -> None:
        """Close the backend."""
        await self.backend.close()


def _unpacked(length: int) -> int:
    """Return the bytes that compressed ones may become: no more than a message of their length may."""
    return min(DEFAULT_LIMITS.max_bytes, DEFAULT_LIMITS.allowance(length))


def _plain_codec(codec: Codec | Compressed) -> Codec:
    """Return the codec of what is kept, compressed or not."""
    return codec.codec if isinstance(codec, Compressed) else codec
