"""One frame and the decoder: every damage is noticed, and everything before it is given."""

import tracemalloc
from array import array
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serlab import build, open_codec
from serlab.errors import DecodeError, EncodeError
from serlab.frames import (
    END,
    HEADER_BYTES,
    MAX_BYTES,
    MAX_PAYLOAD,
    FrameDecoder,
    decode_frame,
    encode_frame,
    end_frame,
    frame_parts,
    header,
    open_frame,
)
from tests.support.loops import every

PAYLOADS = [b"first", b"", b"the third"]
FRAMES = [encode_frame(data, place) for place, data in enumerate(PAYLOADS)]
FILE = b"".join(FRAMES) + end_frame(3)
SIZES = [0, 1, 3, 4, 8, 9, 16, 17, 128, 129, 240, 241, 1024, 1025]
"""Bytes: where XXH3 changes its way."""


def read(chunks: Iterable[bytes], **options: bool | int) -> tuple[list[bytes], str]:
    """Feed a decoder; give the payloads, and the error's text or ""."""
    decoder = FrameDecoder(**options)  # type: ignore[arg-type]
    found: list[bytes] = []
    try:
        for chunk in chunks:
            found.extend(decoder.feed(chunk))  # keeps what came before an error
        decoder.close()
    except DecodeError as error:
        return found, str(error)
    return found, ""


def read_slowly(data: bytes) -> tuple[list[bytes], str]:
    """Feed one byte at a time, so that what came before an error is seen."""
    return read(data[i : i + 1] for i in range(len(data)))


@given(st.lists(st.binary(max_size=300), max_size=6), st.lists(st.integers(0, 2000), max_size=12))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_round_trip_holds_however_the_bytes_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    """Empty chunks and empty payloads among them."""
    data = b"".join(encode_frame(payload, place) for place, payload in enumerate(payloads)) + end_frame(len(payloads))
    places = [0, *sorted(cuts), len(data)]
    assert read(data[a:b] for a, b in pairwise(places)) == (payloads, "")


def test_bytes_of_a_frame_are_those_of_the_specification() -> None:
    """The golden bytes: length, xxh32 of it, xxh3_64 of the payload, payload."""
    assert encode_frame(b"serlab").hex() == "06000000a01139a9c5f2f3eaf8233961" + b"serlab".hex()
    assert encode_frame(b"serlab", 1).hex() == "06000000dabab414a45c6f58b8e7a721" + b"serlab".hex()
    assert end_frame(2).hex() == "08000080739b7a0372b5536ed44de2940200000000000000"


@every("bit", range(8 * len(FILE)))
def test_every_flipped_bit_is_noticed(bit: int) -> None:
    """What is given is a beginning of what was written, and then comes the error."""
    damaged = bytearray(FILE)
    damaged[bit // 8] ^= 1 << bit % 8
    found, error = read_slowly(bytes(damaged))
    assert error and found == PAYLOADS[: len(found)]
    assert sum(map(len, FRAMES[: len(found) + 1])) > bit // 8 or len(found) == 3


def test_every_one_byte_corruption_is_noticed() -> None:
    """All 255 other values of every byte."""
    for place in range(len(FILE)):
        for change in range(1, 256):
            damaged = FILE[:place] + bytes([FILE[place] ^ change]) + FILE[place + 1 :]
            found, error = read([damaged[:place], damaged[place:]])
            assert error and found == PAYLOADS[: len(found)]


@every("size", range(len(FILE)))
def test_every_truncation_is_noticed_after_the_whole_frames(size: int) -> None:
    """Between two frames too, thanks to END; the whole frames before it are given."""
    found, error = read_slowly(FILE[:size])
    whole = sum(sum(map(len, FRAMES[: n + 1])) <= size for n in range(3))
    assert found == PAYLOADS[:whole] and f"frame {whole} at byte {sum(map(len, FRAMES[:whole]))}: " in error


@every("size", SIZES)
def test_every_flipped_bit_is_noticed_in_payloads_of_all_lengths(size: int) -> None:
    """XXH3 treats short, middle and long input in different ways."""
    frame = bytearray(encode_frame(b"\xa5" * size))
    for bit in range(8 * len(frame)):
        frame[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError):
            open_frame(frame)
        frame[bit // 8] ^= 1 << bit % 8
    assert decode_frame(frame) == b"\xa5" * size


@pytest.mark.parametrize(
    ("places", "given_before", "text"),
    [
        ([1, 2], 0, "frame 0 at byte 0: expected its header, got that of frame 1: 1 missing before it"),
        ([0, 2], 1, "frame 1 at byte 21: expected its header, got that of frame 2: 1 missing before it"),
        ([0, 1], 2, "frame 2 at byte 37: expected its header, got that of frame 3: 1 missing before it"),
        ([0, 1, 1, 2], 2, "frame 2 at byte 37: expected its header, got that of frame 1: sent twice or moved"),
        ([0, 1, 2, 2], 3, "frame 3 at byte 62: expected its header, got that of frame 2: sent twice or moved"),
        ([1, 0, 2], 0, "frame 0 at byte 0: expected its header, got that of frame 1: 1 missing before it"),
        ([0, 2, 1], 1, "frame 1 at byte 21: expected its header, got that of frame 2: 1 missing before it"),
    ],
)
def test_dropped_doubled_and_swapped_frames_are_noticed_and_named(
    places: list[int], given_before: int, text: str
) -> None:
    """Though each frame is whole in itself; that of frame 3 is END."""
    found, error = read([*(FRAMES[place] for place in places), end_frame(3)])
    assert found == PAYLOADS[:given_before] and text in error


@pytest.mark.parametrize("sizes", [(5, 5), (5, 6), (0, 0), (100, 1 << 16)])
def test_swapped_frames_are_noticed_whatever_their_lengths(sizes: tuple[int, int]) -> None:
    """The checks are seeded with the frame's place."""
    frames = [encode_frame(b"x" * size, place) for place, size in enumerate(sizes)]
    found, error = read([frames[1], frames[0], end_frame(2)])
    assert found == [] and error


@every("garbage", [b"\0", b"garbage", FRAMES[0], end_frame(3), FILE])
@every("slow", [False, True])
def test_anything_behind_end_is_noticed(garbage: bytes, slow: bool) -> None:
    """After all payloads have been given, whether it comes along with END or later."""
    data = FILE + garbage
    chunks = [data[i : i + 1] for i in range(len(data))] if slow else [data]
    found, error = read(chunks)
    assert found == PAYLOADS and "frame 3 at byte 86: expected nothing behind the END frame, got at least" in error


def test_missing_end_is_noticed_unless_the_stream_stays_open() -> None:
    """The error says how to accept it."""
    found, error = read(FRAMES)
    assert found == PAYLOADS and "expected a frame or END, got the end of the stream" in error
    assert "require_end=False" in error
    assert read(FRAMES, require_end=False) == (PAYLOADS, "") == read([FILE], require_end=False)
    assert read([FILE[:30]], require_end=False)[1].startswith(
        "frame 1 at byte 21: expected a header of 16 bytes, got 9"
    )


def test_nothing_at_all_is_a_cut_stream_and_end_alone_an_empty_one() -> None:
    """An empty file is not an empty stream."""
    assert read([])[1].startswith("frame 0 at byte 0: expected a frame or END")
    assert read([end_frame(0)]) == ([], "")


def test_end_that_counts_wrong_or_has_another_length_is_refused() -> None:
    """A writer's mistake, since damage would not pass the checks."""
    wrong = (9).to_bytes(8, "little")
    assert "expected END after 0 frames, got END after 9" in read([header(END | 8, wrong, 0) + wrong])[1]
    assert "expected 8 bytes in an END frame, got an END frame of 9" in read([header(END | 9, b"x" * 9, 0)])[1]


def test_an_error_is_raised_again_by_every_later_call() -> None:
    """With a length lost there is no next frame to trust."""
    decoder = FrameDecoder()
    calls: list[Callable[[], object]] = [
        lambda: list(decoder.feed(b"x" * 8)),
        lambda: decoder.feed(FILE),
        decoder.close,
    ]
    texts = []
    for call in calls:
        with pytest.raises(DecodeError) as caught:
            call()
        texts.append(str(caught.value))
    assert len(set(texts)) == 1 and "wrong header check" in texts[0]


def test_eight_bytes_of_garbage_are_refused_without_waiting_for_more() -> None:
    """The header check comes before the payload check has arrived."""
    assert "wrong header check" in read([b"\0" * 8])[1]


def test_payloads_that_were_not_taken_come_first_out_of_the_next_feed() -> None:
    """Nor does `close` lose them in silence."""
    decoder = FrameDecoder()
    assert next(decoder.feed(FILE)) == b"first"
    assert list(decoder.feed(b"")) == PAYLOADS[1:]
    decoder = FrameDecoder()
    decoder.feed(FILE)
    with pytest.raises(DecodeError, match=r"expected to be taken from feed\(\) before close\(\)"):
        decoder.close()


def test_payload_beyond_max_bytes_is_refused_by_name_before_it_arrives() -> None:
    """The header alone is enough."""
    head, _ = frame_parts(b"x" * 101)
    found, error = read([head], max_bytes=100)
    assert found == [] and "expected at most max_bytes=100, got a payload of 101; raise max_bytes to 101" in error
    assert read([encode_frame(b"x" * 100), end_frame(1)], max_bytes=100) == ([b"x" * 100], "")
    assert f"max_bytes={MAX_BYTES}" in read([header(MAX_PAYLOAD, b"", 0)])[1]


def test_payload_beyond_31_bits_of_length_is_refused() -> None:
    """Zeros that are never touched cost no memory."""
    with pytest.raises(EncodeError, match="expected at most 2147483647 bytes, got 2147483648"):
        encode_frame(bytes(MAX_PAYLOAD + 1))


@pytest.mark.parametrize("data", ["text", 5, None, memoryview(b"abcdef")[::2]])
def test_what_is_no_contiguous_bytes_is_refused(data: object) -> None:
    """Both ways, with serlab's own errors."""
    with pytest.raises(EncodeError, match="expected contiguous bytes"):
        encode_frame(data)  # type: ignore[arg-type]
    with pytest.raises(DecodeError, match="expected contiguous bytes"):
        decode_frame(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("sequence", [-1, 1 << 64])
def test_sequence_number_beyond_64_bits_is_refused(sequence: int) -> None:
    """It would be that of another frame."""
    with pytest.raises(EncodeError, match="sequence number"):
        encode_frame(b"", sequence)


def test_sequence_numbers_beyond_32_bits_differ() -> None:
    """The header check repeats after 2^32 frames, the payload check does not."""
    frame = encode_frame(b"data", 1 << 32)
    assert decode_frame(frame, 1 << 32) == b"data"
    with pytest.raises(DecodeError, match="payload check"):
        decode_frame(frame, 0)


@pytest.mark.parametrize("data", [bytearray(b"12345678"), memoryview(b"12345678"), array("I", [1, 2])])
def test_any_buffer_is_a_payload(data: bytearray) -> None:
    """Its bytes count, not its items."""
    head, payload = frame_parts(data)
    assert encode_frame(data) == head + bytes(data) and decode_frame(encode_frame(data)) == bytes(data)
    assert memoryview(payload).nbytes == 8 and not isinstance(payload, bytes)


def test_open_frame_shares_memory_and_cannot_be_written_to() -> None:
    """decode_frame copies."""
    frame = bytearray(encode_frame(b"data"))
    view, copy = open_frame(frame), decode_frame(frame)
    frame[HEADER_BYTES] ^= 1
    assert (bytes(view), copy, view.readonly) == (b"eata", b"data", True)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "frame 0 at byte 0: expected a header of 16 bytes, got 0 and then the end"),
        (encode_frame(b"data")[:-1], "expected a frame of 20 bytes, got 19 and then the end"),
        (encode_frame(b"data") + b"!", "expected 20 bytes, got 1 more"),
        (end_frame(0), "expected a message, got an END frame"),
        (encode_frame(b"data", 7), "got that of frame 7"),
    ],
)
def test_what_is_not_one_whole_frame_is_refused_with_what_it_is(data: bytes, text: str) -> None:
    """What, where, expected, got."""
    with pytest.raises(DecodeError, match=text):
        decode_frame(data)


def test_protobuf_that_is_cut_at_a_field_is_caught_by_the_frame() -> None:
    """The codec itself takes the shorter bytes for another message."""
    message = build("chat-turn")[0]
    codec = open_codec("protobuf", type(message))
    data = codec.encode(message)
    frame = encode_frame(data)
    taken = [size for size in range(len(data)) if accepts(codec.decode, data[:size])]
    assert any(codec.decode(data[:size]) != message for size in taken)
    assert not any(accepts(decode_frame, frame[: HEADER_BYTES + size]) for size in taken)


def accepts(decode: Callable[[bytes], object], data: bytes) -> bool:
    """Return whether bytes are decoded without an error."""
    try:
        decode(data)
    except DecodeError:
        return False
    return True


def peak_of(action: Callable[[], object]) -> int:
    """Measure the most that an action holds, in bytes."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_length_is_not_allocated_for_before_its_bytes_arrive() -> None:
    """Neither a corrupt one nor one that is whole and claims 64 MiB."""
    corrupt = (MAX_BYTES).to_bytes(4, "little") + FRAMES[0][4:]
    claims = header(MAX_BYTES, b"", 0)
    assert peak_of(lambda: read([corrupt])) < 20_000 and peak_of(lambda: read([claims])) < 20_000


def test_memory_of_a_large_frame_is_its_bytes_twice_however_it_is_cut() -> None:
    """Those that arrived and the payload; 50 MB in chunks of 64 kB, and none of it is kept afterwards."""
    size = 50_000_000
    frame = memoryview(encode_frame(bytes(size)))
    decoder = FrameDecoder()

    def feed() -> None:
        found = [p for i in range(0, len(frame), 1 << 16) for p in decoder.feed(frame[i : i + (1 << 16)])]
        assert list(map(len, found)) == [size]

    assert peak_of(feed) < 2.3 * size and len(decoder.buffer) == 0


def test_a_million_bytes_one_by_one_take_time_in_proportion() -> None:
    """Quadratic copying would move 125 GB here, which takes minutes."""
    frame = encode_frame(bytes(500_000))
    assert read(frame[i : i + 1] for i in range(len(frame)))[1].startswith("frame 1 at byte 500016")
    many = b"".join(encode_frame(b"x", place) for place in range(100_000)) + end_frame(100_000)
    assert read([many]) == ([b"x"] * 100_000, "")
