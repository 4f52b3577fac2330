"""Files of bytes, decompressed as they are read; neither a file nor what it expands to is held whole.

How a file is compressed is told by its first bytes, and so are the formats that are no lines of JSON.

Source: RFC 1952 (gzip: members, zero padding behind them); RFC 8878 (Zstandard: frames, skippable frames, block size);
the magic numbers of the formats' own specifications.
"""

import io
import shlex
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import zstandard

from serlab.errors import CorpusError

PIECE = 1 << 10
"""Compressed bytes that are taken at a time: a block of 4 bytes may hold 128 KiB, so a piece gives 32 MiB at most."""

MAX_LINE = 1 << 28
"""Bytes in one line; a longer one is no message, and would be held whole."""

EASY, MOST_UNPACKED = 1 << 25, 200
"""Bytes of a line that any number of compressed bytes may expand to, and how many times as long as those a longer line
may be: no message compresses so well, and a file that does would fill the memory. Bodies of text compress 3 to 20
times, those that repeat one picture thousands of times, and are not so long."""

RAISED_BY = "--max-body-mb raises the limit"

FAILURES = (OSError, EOFError, zlib.error, zstandard.ZstdError)
"""What reading a file raises when it is missing, damaged or cut short."""

HEAD = 512
"""First bytes that tell a format; an archive of tar names itself in the third hundred."""


class Packing(NamedTuple):
    """A compression that is read: its name, how each of its parts begins, what a part is called, and its decoder."""

    name: str
    magics: tuple[bytes, ...]
    part: str
    decoder: Callable[[], Any]

    def begins(self, data: bytes) -> bool:
        """Return whether a part begins here, as far as there are bytes to tell it by."""
        return any(data.startswith(magic) or (data != b"" and magic.startswith(data)) for magic in self.magics)


GZIP = Packing("gzip", (b"\x1f\x8b",), "gzip member", partial(zlib.decompressobj, 31))
SKIPPED = tuple(bytes([0x50 + i, 0x2A, 0x4D, 0x18]) for i in range(16))
ZSTD = Packing(
    "zstd", (b"\x28\xb5\x2f\xfd", *SKIPPED), "zstd frame", lambda: zstandard.ZstdDecompressor().decompressobj()
)
PACKINGS = {".gz": GZIP, ".zst": ZSTD}


@dataclass(slots=True)
class Origin:
    """Where lines come from, for who reads them and for who is told how to.

    Attributes:
        path: of the file that is read.
        name: what people are told; where it is not the path, the bytes came through a pipe and are a copy's.
        packing: how they are compressed, known once the file was opened.
    """

    path: str
    name: str
    packing: Packing | None = None

    @property
    def is_pipe(self) -> bool:
        """Return what cannot be read again by its name."""
        return self.name != self.path

    def sender(self) -> str:
        """Write the shell command that sends what is read into the next; "" where that may read the file itself."""
        unpack = f"{self.packing.name} -dc" if self.packing else ""
        if self.is_pipe:
            return f"… | {unpack}" if unpack else "…"
        return f"{unpack} {shlex.quote(self.name)}" if unpack else ""


UTF_16 = "iconv -f UTF-16{} -t UTF-8 {{file}} > {{stem}}.jsonl"
FOREIGN = {
    b"\xff\xfe\x00\x00": ("UTF-32 text", "iconv -f UTF-32 -t UTF-8 {file} > {stem}.jsonl"),
    b"\x00\x00\xfe\xff": ("UTF-32 text", "iconv -f UTF-32 -t UTF-8 {file} > {stem}.jsonl"),
    b"\xff\xfe": ("UTF-16 text", "iconv -f UTF-16 -t UTF-8 {file} > {stem}.jsonl"),
    b"\xfe\xff": ("UTF-16 text", "iconv -f UTF-16 -t UTF-8 {file} > {stem}.jsonl"),
    b"\xfd7zXZ\x00": ("xz", "xz -dc {file} | serlab check --corpus -"),
    b"BZh": ("bzip2", "bzip2 -dc {file} | serlab check --corpus -"),
    b"\x04\x22\x4d\x18": ("lz4", "lz4 -dc {file} | serlab check --corpus -"),
    b"PK\x03\x04": ("a zip archive", "unzip -p {file} | serlab check --corpus -"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "7z x -so {file} | serlab check --corpus -"),
    b"PAR1": ("Parquet", "write its bodies as JSON lines, with pandas: read_parquet, then to_json(lines=True)"),
    b"ARROW1": ("Arrow", "write its bodies as JSON lines, with pandas: read_feather, then to_json(lines=True)"),
    b"\xff\xff\xff\xff": ("an Arrow stream", "write its bodies as JSON lines, with pyarrow: ipc.open_stream"),
    b"ORC": ("ORC", "write its bodies as JSON lines, with pandas: read_orc, then to_json(lines=True)"),
    b"Obj\x01": ("Avro", "write its bodies as JSON lines"),
    b"SQLite format 3\x00": ("an SQLite database", "write its bodies as JSON lines: sqlite3 -json, then jq -c '.[]'"),
    b"\x80\x04\x95": ("a pickle", "write its bodies as JSON lines with the program that wrote it"),
    b"\x80\x05\x95": ("a pickle", "write its bodies as JSON lines with the program that wrote it"),
    b"\x93NUMPY": ("a numpy array", "write its bodies as JSON lines with the program that wrote it"),
    b"\x89HDF\r\n": ("HDF5", "write its bodies as JSON lines with the program that wrote it"),
    b"%PDF-": ("PDF", "name the recorded bodies instead"),
}
"""First bytes → the format that begins so, no line of which is JSON in UTF-8, and the remedy."""


SEEKING = ("unzip", "7z")
"""Commands that read from a file alone."""


def _open_stream(origin: Origin) -> IO[bytes]:
    """Open a file for reading bytes, decompressed.

    Args:
        origin: gzip and zstd are told by the first bytes, and expected where the name ends in `.gz` or `.zst`; receives
            which it is.

    Raises:
        OSError: the file cannot be opened, or holds another format, which the text names with the remedy.
    """
    raw = Path(origin.path).open("rb")  # noqa: SIM115, the caller closes the stream, and so this
    try:
        head = raw.peek(HEAD)[:HEAD]
        named = PACKINGS.get(Path(origin.path).suffix)
        packing = next((one for one in PACKINGS.values() if head.startswith(one.magics)), None)
        if named and head and not packing:
            raise OSError(f"expected {named.name}, as the name says; got bytes that begin otherwise")
        origin.packing = packing
        stream = raw if packing is None else io.BufferedReader(_Parts(raw, packing))
        _refuse_foreign(origin, stream.peek(HEAD)[:HEAD])
    except BaseException:
        raw.close()
        raise
    return stream


def _refuse_foreign(origin: Origin, head: bytes) -> None:
    """Refuse a format that is no text in UTF-8 at all, once instead of line by line.

    Raises:
        OSError: the first bytes are another format's; the text names it and the remedy.
    """
    found = next((found for magic, found in FOREIGN.items() if head.startswith(magic)), None)
    if found is None and head[257:262] == b"ustar":
        found = ("a tar archive", "tar -xOf {file} | serlab check --corpus -")
    if found is None and len(head) >= 4:
        even, odd = any(head[0:8:2]), any(head[1:8:2])
        found = None if even == odd else ("UTF-16 text", UTF_16.format("LE" if even else "BE"))
    if found is not None:
        what, remedy = found
        raise OSError(f"expected JSON lines in UTF-8, got {what} by its first bytes; {_remedy_for(origin, remedy)}")


def _remedy_for(origin: Origin, remedy: str) -> str:
    """Write a remedy for one file, or for what comes through a pipe."""
    stem = "" if origin.is_pipe else Path(origin.name).name.partition(".")[0]
    sender, file = origin.sender(), shlex.quote(origin.name)
    before = ""
    if sender and remedy.startswith(SEEKING):
        file = "bodies.archive"
        before = f"{sender} > {file} && "
    elif sender and "{file}" in remedy:
        # A filter reads what is sent to it where it is given no file; tar asks for the mark of it.
        file = "-"
        remedy = remedy.replace(" {file}", "") if "tar " not in remedy else remedy
        before = f"{sender} | "
    # The sender has the file's name in it, which may hold braces.
    return before + remedy.format(file=file, stem=shlex.quote(f"{stem or 'bodies'}-utf8"))


class _Parts(io.RawIOBase):
    """Reads compressed parts one after another and refuses a file that ends inside one.

    zstd's own stream reader passes over such an end in silence; gzip's loses the last line before trailing bytes.

    Args:
        raw: the compressed bytes.
        packing: how they are compressed.

    Attributes:
        trailing: what follows the last part and is none, as words; "" while there is nothing such.
        taken: compressed bytes that were read so far.
    """

    def __init__(self, raw: IO[bytes], packing: Packing) -> None:
        self._raw = raw
        self._packing = packing
        self._pieces = self._decompressed()
        self._rest = memoryview(b"")
        self.trailing = ""
        self.taken = 0

    def readable(self) -> bool:
        """Tell that this is a stream to read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with decompressed bytes.

        Raises:
            EOFError: the file ends inside a part.
            zlib.error: a gzip member is damaged.
            zstandard.ZstdError: a zstd frame is damaged.
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

    def _decompressed(self) -> Iterator[bytes]:
        """Yield what the parts hold, piece by piece; end where something else follows."""
        part, name = None, self._packing.part
        while piece := self._raw.read(PIECE):
            self.taken += len(piece)
            while piece:
                if part is None and not (piece := piece.lstrip(b"\0")):
                    break
                if part is None and not self._packing.begins(piece):
                    self.trailing = f"bytes that are none follow the last {name}; they were left out"
                    return
                part = part or self._packing.decoder()
                if data := part.decompress(piece):
                    yield data
                piece, part = (part.unused_data, None) if part.eof else (b"", part)
        if part is not None:
            raise EOFError(f"the file ends inside a {name}; it was cut short")


def numbered_lines(origin: Origin, longest: int = 0) -> Iterator[tuple[int, bytes | str]]:
    """Yield a file's lines as they are read, each with its number from 1 and its line end.

    Args:
        origin: the file; gzip and zstd are decompressed, a byte-order mark is left out.
        longest: bytes that a line may have; 0 means `MAX_LINE`.

    Yields:
        Number and line; the reason instead of a line that is too long.

    Raises:
        CorpusError: the file cannot be opened, or cannot be read to its end.
    """
    number, longest = 0, longest or MAX_LINE
    try:
        with _open_stream(origin) as stream:
            packed = getattr(stream, "raw", None) if origin.packing else None
            taken = 0
            while line := stream.readline(min(longest, EASY)):
                number += 1
                found = _whole(line, stream, longest, packed, taken)
                taken = packed.taken if packed else 0
                if number == 1 and isinstance(found, bytes):
                    found = found.removeprefix(b"\xef\xbb\xbf")
                # A long line is held here no longer than by the reader, or there would be two of them.
                del line
                yield number, found
                del found
            if trailing := getattr(getattr(stream, "raw", None), "trailing", ""):
                raise OSError(trailing)
    except FAILURES as error:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        place = f" after line {number}" if number else ""
        raise CorpusError(origin.name, 0, f"cannot be read{place}: {text}") from error


def _whole(line: bytes, stream: IO[bytes], longest: int, packed: _Parts | None, taken: int) -> bytes | str:
    """Return a line with its rest; the reason, after reading past it, where it is too long.

    Args:
        line: its first `EASY` bytes.
        stream: holds the rest.
        longest: bytes that it may have.
        packed: the compressed file; None for one that is not compressed.
        taken: compressed bytes that were read before the line.
    """
    if line.endswith(b"\n") or len(line) < min(longest, EASY):
        return line
    parts, size = [line], len(line)
    while size < longest:
        if packed and size > MOST_UNPACKED * (packed.taken - taken + PIECE):
            _pass_over(stream)
            return (
                f"unpacks from {packed.taken - taken:,} bytes to more than {size:,}, which no message does; if it is "
                "one, unpack the file and name that"
            )
        part = stream.readline(min(longest - size, EASY))
        parts.append(part)
        size += len(part)
        if not part or part.endswith(b"\n"):
            return b"".join(parts)
    if not parts[-1].endswith(b"\n"):
        _pass_over(stream)
        return f"longer than {longest:,} bytes; expected one message in a line ({RAISED_BY})"
    return b"".join(parts)


def _pass_over(stream: IO[bytes]) -> None:
    """Read to the end of a line and keep nothing."""
    while (part := stream.readline(1 << 20)) and not part.endswith(b"\n"):
        pass
