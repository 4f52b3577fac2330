"""Frames through real files, pipes, sockets and async streams."""

import asyncio
import gzip
import io
import os
import socket
import threading
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from serlab.errors import DecodeError, EncodeError
from serlab.frames import (
    CHUNK,
    MAX_BYTES,
    FrameDecoder,
    FrameWriter,
    encode_frame,
    end_frame,
    header,
    read_frames,
)

PAYLOADS = [b"first", b"", b"x" * 300_000, b"last"]
DATA = b"".join(encode_frame(data, place) for place, data in enumerate(PAYLOADS)) + end_frame(4)


def write(stream: Any, payloads: list[bytes] = PAYLOADS) -> None:
    """Write payloads and END."""
    with FrameWriter(stream) as frames:
        for payload in payloads:
            frames.write(payload)


def drain(payloads: Iterator[bytes]) -> tuple[list[bytes], str]:
    """Return the payloads, and the error's text or ""."""
    found: list[bytes] = []
    try:
        found.extend(payloads)  # keeps what came before an error
    except DecodeError as error:
        return found, str(error)
    return found, ""


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Make two connected sockets; one that waits for longer than five seconds fails the test."""
    here, there = socket.socketpair()
    here.settimeout(5)
    there.settimeout(5)
    with here, there:
        yield here, there


class Trickle:
    """Has only `read`, and gives less than it is asked for."""

    def __init__(self, data: bytes, most: int) -> None:
        self.stream = io.BytesIO(data)
        self.most = most

    def read(self, size: int) -> bytes:
        """Return at most so many bytes."""
        return self.stream.read(min(size, self.most))


class OnlyReceivesInto:
    """Has only `recv_into`."""

    def __init__(self, data: bytes) -> None:
        self.recv_into = io.BytesIO(data).readinto


OPENERS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "buffered": (lambda path: path.open("wb"), lambda path: path.open("rb")),
    "unbuffered": (lambda path: path.open("wb", buffering=0), lambda path: path.open("rb", buffering=0)),
    "gzip": (lambda path: gzip.GzipFile(path, "wb"), lambda path: gzip.GzipFile(path, "rb")),
    "zstd": (lambda path: zstandard.open(path, "wb"), lambda path: zstandard.open(path, "rb")),
}


@pytest.mark.parametrize("name", OPENERS)
def test_file_gives_back_what_was_written(tmp_path: Path, name: str) -> None:
    """Plain and compressed; the writer leaves it open."""
    write_to, read_from = OPENERS[name]
    with write_to(tmp_path / "file") as file:
        write(file)
        assert not file.closed
    with read_from(tmp_path / "file") as file:
        assert list(read_frames(file)) == PAYLOADS


@pytest.mark.parametrize("most", [1, 7, 1 << 20])
def test_stream_with_only_read_may_give_less_than_it_is_asked_for(most: int) -> None:
    """Short reads are normal."""
    data = DATA if most > 1 else encode_frame(b"data") + end_frame(1)
    assert drain(read_frames(Trickle(data, most))) == (PAYLOADS if most > 1 else [b"data"], "")


def test_bytes_iterables_and_recv_into_are_streams_too() -> None:
    """Empty chunks of an iterable are not its end."""
    assert drain(read_frames(DATA)) == drain(read_frames(memoryview(DATA))) == (PAYLOADS, "")
    assert drain(read_frames([DATA[:9], b"", DATA[9:]])) == (PAYLOADS, "")
    assert drain(read_frames(OnlyReceivesInto(DATA))) == (PAYLOADS, "")


@pytest.mark.parametrize("make", [io.BytesIO, lambda data: Trickle(data, 1 << 20), lambda data: [data]])
def test_damage_of_a_file_is_raised_after_what_came_before_it(make: Callable[[bytes], Any]) -> None:
    """Garbage behind END, a missing END, a cut, and a flipped bit."""
    assert drain(read_frames(make(DATA + b"!")))[0] == PAYLOADS
    assert "expected nothing behind the END frame" in drain(read_frames(make(DATA + b"!")))[1]
    assert "expected a frame or END" in drain(read_frames(make(DATA[:-24])))[1]
    assert drain(read_frames(make(DATA[:-24]), require_end=False)) == (PAYLOADS, "")
    assert drain(read_frames(make(DATA[:-30])))[0] == PAYLOADS[:3]
    flipped = DATA[:200] + bytes([DATA[200] ^ 4]) + DATA[201:]
    found, error = drain(read_frames(make(flipped)))
    assert found == PAYLOADS[:2] and error.startswith("frame 2 at byte 37: expected payload check")


def test_a_gzip_file_that_is_cut_or_damaged_raises_decode_error() -> None:
    """From the library's own exception."""
    data = gzip.compress(DATA)
    for damaged in (data[:-9], data[:60] + b"\xff" * 9 + data[69:], b"no" + data[2:]):
        with pytest.raises(DecodeError, match=r"frame \d at byte \d+: expected a readable stream, got") as caught:
            list(read_frames(gzip.GzipFile(fileobj=io.BytesIO(damaged))))
        assert caught.value.__cause__ is not None


def test_writer_left_by_an_exception_writes_no_end() -> None:
    """So that the reader knows that something is missing."""
    stream = io.BytesIO()
    with pytest.raises(KeyError), FrameWriter(stream) as frames:
        frames.write(b"data")
        raise KeyError
    found, error = drain(read_frames(stream.getvalue()))
    assert found == [b"data"] and "expected a frame or END" in error


def test_writer_refuses_what_readers_would() -> None:
    """Nothing of it is written, and the writer goes on."""
    stream = io.BytesIO()
    with FrameWriter(stream, max_bytes=100) as frames:
        with pytest.raises(EncodeError, match="frame 0: expected at most max_bytes=100, got 101 bytes"):
            frames.write(b"x" * 101)
        with pytest.raises(EncodeError, match="expected contiguous bytes, got str"):
            frames.write("text")  # type: ignore[arg-type]
        frames.write(b"x" * 100)
        frames.end()
        with pytest.raises(EncodeError, match="got one that has its END"):
            frames.write(b"more")
    assert drain(read_frames(stream.getvalue())) == ([b"x" * 100], "")


def test_writer_of_an_open_stream_writes_no_end() -> None:
    """Its readers opt out of it."""
    stream = io.BytesIO()
    with FrameWriter(stream, end=False) as frames:
        frames.write(b"data")
    assert stream.getvalue() == encode_frame(b"data")


def test_writer_copies_a_buffer_that_can_change() -> None:
    """asyncio, for one, keeps what it cannot send at once."""
    kept: list[bytes] = []

    class Keeper:
        write = staticmethod(kept.append)

    buffer = bytearray(b"x" * 100_000)
    with FrameWriter(Keeper()) as frames:
        frames.write(buffer)
        buffer[:] = b"y" * 100_000
    assert drain(read_frames(kept)) == ([b"x" * 100_000], "")


def test_unbuffered_file_that_takes_a_part_gets_the_rest() -> None:
    """A pipe takes 64 kB at once; one that does not block and is full raises."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb", buffering=0) as sink:
        with pytest.raises(BlockingIOError, match="expected a blocking stream"):
            write(sink)
        os.set_blocking(writer, True)
        drained = threading.Thread(target=source.read)
        drained.start()
        write(sink)
        sink.close()
        drained.join(5)
        assert not drained.is_alive()


@pytest.mark.parametrize("buffering", [0, -1])
def test_stream_without_bytes_that_does_not_block_raises_a_clear_error(buffering: int) -> None:
    """Rather than spin, or take it for the end."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with os.fdopen(reader, "rb", buffering=buffering) as source, os.fdopen(writer, "wb", buffering=0) as sink:
        sink.write(encode_frame(b"data"))
        frames = read_frames(source)
        assert next(frames) == b"data"
        with pytest.raises(BlockingIOError, match=r"frame 1 at byte 20: expected a blocking stream.*FrameDecoder"):
            next(frames)


@pytest.mark.parametrize("stream", [5, object(), io.StringIO("text"), [1], ["text"]])
def test_what_gives_no_bytes_is_refused(stream: Any) -> None:
    """A programmer's error, so a TypeError."""
    with pytest.raises(TypeError):
        list(read_frames(stream))
    with pytest.raises(TypeError, match="expected a stream with write or sendall"):
        FrameWriter(object())


def test_pipe_and_socket_give_each_frame_as_soon_as_it_is_whole(pair: tuple[socket.socket, socket.socket]) -> None:
    """Without waiting for the next."""
    here, there = pair
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb", buffering=0) as sink:
        for out, stream in ((sink, source), (here, there)):
            frames, found = FrameWriter(out), read_frames(stream)
            for payload in (b"one", b"two", b""):
                frames.write(payload)
                assert next(found) == payload


def test_socket_answers_after_end_while_the_connection_stays_open(pair: tuple[socket.socket, socket.socket]) -> None:
    """The reader does not wait for the peer to close it, and takes nothing that lies behind END."""
    here, there = pair

    def serve() -> None:
        for _ in range(3):
            write(there, list(read_frames(there)))

    server = threading.Thread(target=serve)
    server.start()
    for payloads in (PAYLOADS, [], [b"again"]):
        write(here, payloads)
        assert drain(read_frames(here)) == (payloads, "")
    server.join(5)
    here.sendall(2 * (encode_frame(b"small") + end_frame(1)))
    assert drain(read_frames(there)) == drain(read_frames(there)) == ([b"small"], "")


def test_socket_read_to_its_end_refuses_what_is_behind_end(pair: tuple[socket.socket, socket.socket]) -> None:
    """When it is asked to."""
    here, there = pair
    here.sendall(encode_frame(b"small") + end_frame(1) + b"garbage")
    found, error = drain(read_frames(there, to_eof=True))
    assert found == [b"small"] and "expected nothing behind the END frame" in error


def test_socket_that_is_closed_early_raises_decode_error() -> None:
    """In the middle of a frame and between two."""
    for size, text in ((30, "expected a header of 16 bytes, got 9"), (21, "expected a frame or END")):
        here, there = socket.socketpair()
        with here, there:
            here.sendall(DATA[:size])
            here.close()
            found, error = drain(read_frames(there))
            assert found == [b"first"] and text in error


def test_corrupt_length_neither_blocks_nor_allocates(pair: tuple[socket.socket, socket.socket]) -> None:
    """The peer keeps the socket open and sends no more than a header."""
    here, there = pair
    here.sendall(MAX_BYTES.to_bytes(4, "little") + DATA[4:16])
    tracemalloc.start()
    assert "wrong header check" in drain(read_frames(there))[1]
    assert tracemalloc.get_traced_memory()[1] < 50_000
    tracemalloc.stop()


def test_true_length_of_a_silent_peer_costs_one_chunk(pair: tuple[socket.socket, socket.socket]) -> None:
    """It claims 64 MiB and sends none of them; the socket's own timeout ends the wait."""
    here, there = pair
    there.settimeout(0.05)
    here.sendall(header(MAX_BYTES, b"", 0))
    tracemalloc.start()
    with pytest.raises(TimeoutError):
        list(read_frames(there))
    assert tracemalloc.get_traced_memory()[1] < CHUNK + 50_000
    tracemalloc.stop()


async def collect(read: Callable[[int], Awaitable[bytes]], to_eof: bool = False) -> tuple[list[bytes], str]:
    """Return the payloads of an async stream, and the error's text or "": a decoder needs no more than what arrives."""
    found: list[bytes] = []
    decoder = FrameDecoder()
    try:
        while (to_eof or not decoder.ended) and (chunk := await read(CHUNK if to_eof else decoder.wanted)):
            for payload in decoder.feed(chunk):
                found.append(payload)  # noqa: PERF402 - what came before an error must be kept
        decoder.close()
    except DecodeError as error:
        return found, str(error)
    return found, ""


async def ask(data: bytes, to_eof: bool = False) -> tuple[tuple[list[bytes], str], tuple[list[bytes], str]]:
    """Send bytes to a real server that answers with the frames it read; give what both sides saw."""
    seen: asyncio.Future[tuple[list[bytes], str]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result(await collect(reader.read, to_eof))
        with FrameWriter(writer) as frames:
            for payload in seen.result()[0]:
                frames.write(payload)
                await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(data)
        if to_eof or not data.endswith(DATA[-24:]):
            writer.write_eof()
        answer = await collect(reader.read)
        writer.close()
        await writer.wait_closed()
        return await seen, answer


def test_asyncio_server_reads_and_answers_while_the_connection_stays_open() -> None:
    """A real server on the loopback interface."""
    assert asyncio.run(asyncio.wait_for(ask(DATA), 5)) == ((PAYLOADS, ""), (PAYLOADS, ""))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (DATA[:-30], "frame 3 at byte 300053: expected a frame of 20 bytes, got 14"),
        (DATA[:-24], "frame 4 at byte 300073: expected a frame or END"),
        (DATA + b"!", "frame 4 at byte 300097: expected nothing behind the END frame"),
        (DATA[:16] + b"F" + DATA[17:], "frame 0 at byte 0: expected payload check"),
    ],
)
def test_asyncio_server_notices_damage_after_what_came_before_it(data: bytes, text: str) -> None:
    """Its peer gets the answer to what arrived."""
    (found, error), answer = asyncio.run(asyncio.wait_for(ask(data, to_eof=True), 5))
    assert text in error and found == PAYLOADS[: len(found)] and answer == (found, "")


def test_body_of_an_async_response_is_a_stream() -> None:
    """Its chunks have any size, and bytes behind END are refused."""

    async def body(data: bytes) -> tuple[list[bytes], str]:
        chunks = (data[i : i + 50_000] for i in range(0, len(data), 50_000))

        async def read(_: int) -> bytes:
            return next(chunks, b"")

        return await collect(read, to_eof=True)

    assert asyncio.run(body(DATA)) == (PAYLOADS, "")
    found, error = asyncio.run(body(DATA + b"!"))
    assert found == PAYLOADS and "expected nothing behind the END frame" in error


def test_frames_of_one_socket_can_be_fed_by_hand(pair: tuple[socket.socket, socket.socket]) -> None:
    """`wanted` keeps a caller of `recv` inside the stream."""
    here, there = pair
    here.sendall(encode_frame(b"data") + end_frame(1) + b"other")
    decoder = FrameDecoder()
    found: list[bytes] = []
    while not decoder.ended:
        found += decoder.feed(there.recv(decoder.wanted))
    decoder.close()
    assert found == [b"data"] and there.recv(9) == b"other"
