"""Bytes as they come, cut anywhere → payloads, without input or output."""

from collections.abc import Iterator
from struct import Struct

from serlab.errors import DecodeError
from serlab.frames.frame import (
    END,
    END_WORD,
    HEADER_BYTES,
    MAX_BYTES,
    RESEND,
    Data,
    cut,
    damage,
    verify_length,
    verify_payload,
)

LENGTH = Struct("<II")
CHECK = Struct("<Q")


class FrameDecoder:
    """Takes the bytes of one stream and gives the payloads, in time linear in the bytes however they are cut.

        decoder = FrameDecoder()
        for chunk in chunks:
            for payload in decoder.feed(chunk):
                ...
        decoder.close()

    Args:
        max_bytes: the largest payload that is taken.
        require_end: whether `close` insists on the END frame.

    Attributes:
        count: frames taken so far, and so the number of the next.
        offset: where the next frame begins, in bytes from the start of the stream.
        ended: whether the END frame has been taken.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES, require_end: bool = True) -> None:
        self.max_bytes = max_bytes
        self.require_end = require_end
        self.count = 0
        self.offset = 0
        self.ended = False
        self.buffer = bytearray()
        self.word: int | None = None
        self.size = HEADER_BYTES
        self.failure = ""

    @property
    def wanted(self) -> int:
        """Tell how many bytes the header or payload under way lacks; who reads no more stays inside the stream."""
        return 0 if self.ended else max(self.size - len(self.buffer), 0)

    def feed(self, chunk: Data) -> Iterator[bytes]:
        """Take the next bytes of the stream.

        Args:
            chunk: any number of bytes; they are copied before this returns.

        Returns:
            The payloads that are now whole. What is not taken from it comes first out of the next.

        Raises:
            DecodeError: from the iterator, behind the last whole payload: the stream is damaged here. It is raised
                again by whatever is called next.
        """
        if self.failure:
            raise DecodeError(self.failure)
        self.buffer += chunk
        return self.ready()

    def ready(self) -> Iterator[bytes]:
        """Give the payloads that are whole."""
        while (payload := self.take()) is not None:
            yield payload

    def close(self) -> None:
        """Tell that the stream is at its end.

        Raises:
            DecodeError: it is cut inside a frame or lacks the END frame, or something follows that, or payloads that
                `feed` gave were not taken.
        """
        if self.take() is not None:
            raise DecodeError(f"frame {self.count - 1}: expected to be taken from feed() before close(), was not")
        if self.buffer:
            raise self.fail(cut(self.count, self.offset, self.size, len(self.buffer)))
        if self.require_end and not self.ended:
            remedy = f"it may be cut here: {RESEND}; or accept it by require_end=False"
            raise self.fail(damage(self.count, self.offset, "a frame or END", "the end of the stream", remedy))

    def take(self) -> bytes | None:
        """Take one payload; None if it is not whole yet."""
        if self.failure:
            raise DecodeError(self.failure)
        try:
            return self.next_payload()
        except DecodeError as error:
            raise self.fail(error) from None

    def next_payload(self) -> bytes | None:
        """Check what is there of the next frame and cut its payload off."""
        buffer = self.buffer
        if self.ended:
            self.refuse_more()
            return None
        if self.word is None and len(buffer) >= LENGTH.size:
            self.read_length()
        if self.word is None or len(buffer) < self.size:
            return None
        payload = bytes(memoryview(buffer)[HEADER_BYTES : self.size])
        verify_payload(payload, CHECK.unpack_from(buffer, LENGTH.size)[0], self.count, self.offset)
        if self.word == END_WORD:
            self.finish(payload)
            return None
        self.count += 1
        self.advance()
        return payload

    def read_length(self) -> None:
        """Believe the length only after its check, and only within the limit."""
        word, check = LENGTH.unpack_from(self.buffer)
        verify_length(word, check, self.count, self.offset)
        if word & END and word != END_WORD:
            got = f"an END frame of {word ^ END}"
            raise damage(self.count, self.offset, "8 bytes in an END frame", got, "update serlab")
        if word & ~END > self.max_bytes:
            remedy = f"raise max_bytes to {word} if the sender is trusted"
            raise damage(self.count, self.offset, f"at most max_bytes={self.max_bytes}", f"a payload of {word}", remedy)
        self.word = word
        self.size = HEADER_BYTES + (word & ~END)

    def finish(self, payload: bytes) -> None:
        """Compare the END frame's count with the frames that came."""
        total = int.from_bytes(payload, "little")
        if total != self.count:
            raise damage(self.count, self.offset, f"END after {self.count} frames", f"END after {total}", RESEND)
        self.ended = True
        self.advance()
        self.refuse_more()

    def advance(self) -> None:
        """Drop the frame's bytes; at the front of a bytearray that moves no others."""
        del self.buffer[: self.size]
        self.offset += self.size
        self.word = None
        self.size = HEADER_BYTES

    def refuse_more(self) -> None:
        """See that nothing follows the END frame."""
        if self.buffer:
            got = f"at least {len(self.buffer)} more bytes"
            remedy = "cut them off, or read the streams one by one with to_eof=False"
            raise damage(self.count, self.offset, "nothing behind the END frame", got, remedy)

    def fail(self, error: DecodeError) -> DecodeError:
        """Keep a failure, let go of the bytes and give it back."""
        self.failure = str(error)
        self.buffer = bytearray()
        return error
