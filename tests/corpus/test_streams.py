"""Files: compressed, cut short, missing, and too large to be held."""

import bz2
import gzip
import io
import json
import lzma
import shlex
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest
import zstandard

from serlab import streams
from serlab.corpus import Body, read
from serlab.errors import CorpusError
from tests.support.corpora import ANSWER, CHAT, CHUNK, EVENTS, line, read_bytes


def compressed(data: bytes, name: str) -> bytes:
    """Compress in two members or frames, as a file that was appended to."""
    half = len(data) // 2
    if name.endswith(".gz"):
        return gzip.compress(data[:half]) + gzip.compress(data[half:])
    skippable = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    return zstandard.compress(data[:half]) + skippable + zstandard.compress(data[half:])


@pytest.mark.parametrize("name", ["c.jsonl.gz", "c.jsonl.zst"])
@pytest.mark.parametrize(
    "data", [b"", (line(CHAT) + line(ANSWER)) * 50, EVENTS.encode() * 50], ids=["empty", "lines", "sse"]
)
def test_compressed_file_reads_as_the_plain_one(tmp_path: Path, name: str, data: bytes) -> None:
    """Several members or frames, and a frame to skip."""
    plain, _ = read_bytes(tmp_path, data)
    bodies, errors = read_bytes(tmp_path, compressed(data, name), name)
    assert [(body.line, body.document) for body in bodies] == [(body.line, body.document) for body in plain]
    assert errors == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["c.jsonl.gz", "c.jsonl.zst"])
@pytest.mark.parametrize("cut", [1, 5, 40])
def test_compressed_file_that_was_cut_short_is_refused(tmp_path: Path, name: str, cut: int) -> None:
    """What could be read is given first."""
    lines = b"".join(line({"i": i, "text": f"{i * 7919:x}" * 9}) for i in range(20_000))
    path = tmp_path / name
    path.write_bytes((gzip.compress if name.endswith(".gz") else zstandard.compress)(lines)[:-cut])
    bodies: list[Body] = []
    with pytest.raises(CorpusError, match="cannot be read after line") as caught:
        bodies.extend(read(path))
    assert caught.value.line == 0
    bodies.clear()
    with pytest.raises(CorpusError):
        for body in read(path):
            bodies.append(body)  # noqa: PERF402, what came before the error is kept
    assert len(bodies) > 10_000


@pytest.mark.parametrize("name", ["c.jsonl.gz", "c.jsonl.zst"])
def test_file_that_is_not_compressed_as_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    """Plain JSON, and trailing garbage."""
    for data in (line(CHAT), compressed(line(CHAT), name) + b"garbage"):
        with pytest.raises(CorpusError, match=r"cannot be read"):
            read_bytes(tmp_path, data, name)


@pytest.mark.parametrize("packed", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_compression_is_told_by_the_first_bytes(tmp_path: Path, packed: Callable[[bytes], bytes]) -> None:
    """Whatever the name says."""
    for name in ("c.jsonl", "c"):
        bodies, errors = read_bytes(tmp_path, packed(line(CHAT)), name)
        assert [body.document for body in bodies] == [CHAT]
        assert errors == []


@pytest.mark.parametrize("packed", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("end", [b"\n", b""], ids=["line-end", "no-line-end"])
def test_what_stands_before_trailing_bytes_is_read(
    tmp_path: Path, packed: Callable[[bytes], bytes], end: bytes
) -> None:
    """Also a last line without its end; the trailing bytes are reported once."""
    path = tmp_path / "c.jsonl"
    path.write_bytes(packed(line(CHAT)) + packed(line(ANSWER).rstrip() + end) + b"<html>\n<html>\n")
    bodies = []
    with pytest.raises(CorpusError, match="after line 2: bytes that are none follow the last"):
        for body in read(path):
            bodies.append(body.document)  # noqa: PERF401, what came before the error is kept
    assert bodies == [CHAT, ANSWER]


def test_zero_padding_behind_a_gzip_member_is_nothing(tmp_path: Path) -> None:
    """Tapes and block devices leave it (RFC 1952)."""
    data = gzip.compress(line(CHAT)) + bytes(3000) + gzip.compress(line(ANSWER)) + bytes(9)
    bodies, errors = read_bytes(tmp_path, data, "c.jsonl.gz")
    assert [body.line for body in bodies] == [1, 2]
    assert errors == []


def archive(data: bytes) -> bytes:
    """Make a compressed tar archive of one file."""
    target, info = io.BytesIO(), tarfile.TarInfo("c.jsonl")
    info.size = len(data)
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        tar.addfile(info, io.BytesIO(data))
    return target.getvalue()


FOREIGN = {
    "utf-16": (line(CHAT).decode().encode("utf-16"), "UTF-16 text", "iconv -f UTF-16 "),
    "utf-16-without-mark": (line(CHAT).decode().encode("utf-16-le"), "UTF-16 text", "iconv -f UTF-16LE "),
    "utf-16-be-without-mark": ("data: 日本".encode("utf-16-be"), "UTF-16 text", "iconv -f UTF-16BE "),
    "utf-32": (line(CHAT).decode().encode("utf-32"), "UTF-32 text", "iconv -f UTF-32 "),
    "bzip2": (bz2.compress(line(CHAT)), "bzip2", "bzip2 -dc "),
    "xz": (lzma.compress(line(CHAT)), "xz", "xz -dc "),
    "zip": (b"PK\x03\x04" + bytes(30), "a zip archive", "unzip -p "),
    "parquet": (b"PAR1" + bytes(30), "Parquet", "read_parquet"),
    "arrow": (b"ARROW1\x00\x00", "Arrow", "read_feather"),
    "sqlite": (b"SQLite format 3\x00" + bytes(80), "SQLite", "sqlite3 -json"),
    "tar-in-gzip": (archive(line(CHAT)), "a tar archive", "tar -xOf "),
    "gzipped-utf-16": (gzip.compress(line(CHAT).decode().encode("utf-16")), "UTF-16 text", "| iconv -f UTF-16 "),
}


@pytest.mark.parametrize(("data", "what", "remedy"), FOREIGN.values(), ids=FOREIGN)
def test_other_format_is_told_once_by_its_first_bytes(tmp_path: Path, data: bytes, what: str, remedy: str) -> None:
    """One error for the file, with the command that helps, instead of one for each piece between two line ends."""
    (tmp_path / "a b.jsonl").write_bytes(data)
    errors: list[CorpusError] = []
    with pytest.raises(CorpusError) as caught:
        list(read(tmp_path / "a b.jsonl", on_error=errors.append))
    assert (errors, caught.value.line) == ([], 0)
    assert what in caught.value.reason and remedy in caught.value.reason


def test_remedy_is_one_command_whatever_the_file_is_called(tmp_path: Path) -> None:
    """Braces, quotes and semicolons in a name are the name's."""
    for name in ("{x}.jsonl.gz", "{0}.gz", "{stem};touch here;.gz", "{file}'.gz"):
        (tmp_path / name).write_bytes(gzip.compress("日本".encode("utf-16")))
        with pytest.raises(CorpusError) as caught:
            list(read(tmp_path / name))
        words = shlex.split(caught.value.reason.partition("; ")[2])
        assert words[:3] == ["gzip", "-dc", str(tmp_path / name)] and "touch" not in words, caught.value.reason


@pytest.mark.parametrize("data", [b"{", b"7", b"7\n", b'"\xc2\x80"'])
def test_short_file_of_json_is_no_other_format(tmp_path: Path, data: bytes) -> None:
    """A byte or two tell nothing."""
    bodies, errors = read_bytes(tmp_path, data)
    assert len(bodies) + len(errors) == 1


def test_missing_file_is_a_corpus_error(tmp_path: Path) -> None:
    """The text names the file and the system's reason."""
    with pytest.raises(CorpusError, match=r"none\.jsonl: cannot be read: No such file"):
        list(read(tmp_path / "none.jsonl"))


def test_line_that_is_too_long_is_reported_and_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not held whole, and the lines after it keep their numbers."""
    monkeypatch.setattr(streams, "MAX_LINE", 200)
    bodies, errors = read_bytes(tmp_path, line(CHAT) + b"[" + b"1," * 300 + b"1]\n" + line(ANSWER))
    assert [body.line for body in bodies] == [1, 3]
    assert errors[0].line == 2
    assert "longer than" in errors[0].reason


def peak_bytes(bodies: Iterator[Body]) -> tuple[int, int]:
    """Read to the end; give the number of bodies and the most memory that Python held meanwhile."""
    tracemalloc.start()
    try:
        count = sum(1 for _ in bodies)
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz", "c.jsonl.zst", "c.sse", "c.sse.gz", "c.sse.zst"])
def test_large_file_is_never_held_whole(tmp_path: Path, name: str) -> None:
    """20 MB of bodies of 20 kB are read in less than a tenth of that."""
    random = Random(0)
    bodies = [json.dumps({**CHUNK, "padding": random.randbytes(10_000).hex()}) for _ in range(1000)]
    lines = "".join(f"data: {body}\n\n" if "sse" in name else f"{body}\n" for body in bodies)
    write = {".gz": partial(gzip.compress, compresslevel=1), ".zst": zstandard.compress}.get(Path(name).suffix, bytes)
    (tmp_path / name).write_bytes(write(lines.encode()))
    count, peak = peak_bytes(read(tmp_path / name))
    assert count == 1000
    assert peak < 2_000_000
