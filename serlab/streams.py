"""Files of bytes, decompressed as they are read; neither a file nor what it expands to is held whole.

Source: RFC 1952 (gzip); RFC 8878 (Zstandard: frames, skippable frames, block size).
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import zstandard

from serlab.errors import CorpusError

PIECE = 1 << 10
"""Compressed bytes that are taken at a time: a block of 4 bytes may hold 128 KiB, so a piece gives 32 MiB at most."""

MAX_LINE = 1 << 28
"""Bytes in one line; a longer one is no message, and would be held whole."""

FAILURES = (OSError, EOFError, zlib.error, zstandard.ZstdError)
"""What reading a file raises when it is missing, damaged or cut short."""


def open_stream(file: str) -> IO[bytes]:
    """Open a file for reading bytes.

    Args:
        file: its path; `.gz` and `.zst` are decompressed.

    Raises:
        OSError: the file cannot be opened.
    """
    if file.endswith(".gz"):
        return io.BufferedReader(gzip.open(file))
    raw = Path(file).open("rb")  # noqa: SIM115, the caller closes the stream, and so this
    return io.BufferedReader(WholeFrames(raw)) if file.endswith(".zst") else raw


class WholeFrames(io.RawIOBase):
    """Reads zstd frames one after another and refuses a file that ends inside one.

    The library's own stream reader passes over such an end in silence.

    Args:
        raw: the compressed bytes.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._pieces = decompressed(raw)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Tell that this is a stream to read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with decompressed bytes.

        Raises:
            EOFError: the file ends inside a frame.
            zstandard.ZstdError: the bytes are not zstd frames.
        """
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        """Close the file below."""
        self._raw.close()
        super().close()


def decompressed(raw: IO[bytes]) -> Iterator[bytes]:
    """Give what the frames hold, piece by piece."""
    frame = None
    while piece := raw.read(PIECE):
        while piece:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            if data := frame.decompress(piece):
                yield data
            piece, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    if frame is not None:
        raise EOFError("the file ends inside a zstd frame; it was cut short")


def numbered_lines(file: str) -> Iterator[tuple[int, bytes | None]]:
    """Give a file's lines as they are read, each with its number from 1 and its line end.

    Args:
        file: its path; `.gz` and `.zst` are decompressed, a byte-order mark is left out.

    Yields:
        Number and line; None instead of a line that is longer than `MAX_LINE`.

    Raises:
        CorpusError: the file cannot be opened, or cannot be read to its end.
    """
    number = 0
    try:
        with open_stream(file) as stream:
            while line := stream.readline(MAX_LINE):
                number += 1
                yield number, whole(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, stream)
    except FAILURES as error:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        place = f" after line {number}" if number else ""
        raise CorpusError(file, 0, f"cannot be read{place}: {text}") from error


def whole(line: bytes, stream: IO[bytes]) -> bytes | None:
    """Give a line back, or None after reading past the rest of one that is too long."""
    if len(line) < MAX_LINE or line.endswith(b"\n"):
        return line
    while (part := stream.readline(1 << 20)) and not part.endswith(b"\n"):
        pass
    return None
