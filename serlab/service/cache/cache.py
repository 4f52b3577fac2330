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

import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any

import zstandard

from serlab import codecs
from serlab.codecs import Codec, check_verifies
from serlab.errors import DecodeError, ServiceError
from serlab.limits import DEFAULT_LIMITS
from serlab.service.cache.backend import Backend
from serlab.service.cache.entries import NEVER, Entry, seal, unseal
from serlab.service.cache.keys import IGNORED, key_of
from serlab.stats import ZSTD

LEVEL = 3
"""Of zstd; its own default."""
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
            size, most = zstandard.frame_content_size(data), unpacked(len(data))
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
        ServiceError: the time is below 0.
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
        if not ttl_s >= 0:
            raise ServiceError(f"cache: expected a ttl_s of 0 (for ever) or more, got {ttl_s}")
        check_verifies(plain_codec(codec).name)
        self.backend, self.codec, self.ttl_s, self.clock = backend, codec, ttl_s, clock
        self.ignored = frozenset(ignored)
        self.namespace = "\0".join((namespace, codec.message, codec.name)).encode()
        self.stats = CacheStats()

    def key(self, request: Any) -> bytes:
        """Digest a request; see `serlab.service.cache.keys`.

        Raises:
            EncodeError: it holds what JSON has not.
        """
        return key_of(request, self.ignored, self.namespace)

    async def get_raw(self, key: bytes) -> bytes | None:
        """Give an answer's bytes; None on a miss."""
        data = await self.find(key)
        self.count(data is not None)
        return data

    async def get(self, key: bytes) -> Any:
        """Give an answer; None on a miss."""
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
        """Give the bytes of an answer that is whole and good."""
        sealed = await self.backend.get(key)
        if sealed is None:
            return None
        try:
            entry = unseal(key, sealed)
        except DecodeError:
            await self.corrupt(key)
            return None
        left_ms = entry.expires_ms - self.clock() * 1000
        if entry.expires_ms == NEVER or left_ms > 0:
            if self.ttl_s and entry.expires_ms != NEVER and left_ms > self.ttl_s * 1000 + SKEW_MS:
                # The clock was set back since it was put; it would live on by as much, which may be years.
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


def unpacked(length: int) -> int:
    """Give the bytes that compressed ones may become: no more than a message of their length may."""
    return min(DEFAULT_LIMITS.max_bytes, DEFAULT_LIMITS.allowance(length))


def plain_codec(codec: Codec | Compressed) -> Codec:
    """Give the codec of what is kept, compressed or not."""
    return codec.codec if isinstance(codec, Compressed) else codec
