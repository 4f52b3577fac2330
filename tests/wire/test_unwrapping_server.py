"""Streams cut anywhere."""

from collections.abc import Iterable
from random import Random

import pytest

from serlab.errors import DecodeError
from serlab.frames import encode_frame, end_frame
from serlab.wire import content
from serlab.wire.content import EVENTS, FRAMES, LINES, UNWRAPPERS

MESSAGES = [b'{"a":1}', b'{"text":"' + b"x" * 5000 + b'"}', b"[]", b'{"data: ":"[DONE]"}']
STREAMS = {
    EVENTS: b": a comment\n\n"
    + b"".join(b"event: x\r\nid: 7\r\ndata: " + one + b"\r\n\r\n" for one in MESSAGES)
    + b"data: [DONE]\n\n",
    LINES: b"\n".join(MESSAGES) + b"\n\n",
    FRAMES: b"".join(encode_frame(one, i) for i, one in enumerate(MESSAGES)) + end_frame(len(MESSAGES)),
}


def unwrapped(form: str, pieces: Iterable[bytes]) -> list[bytes]:
    """Take a stream apart, to its end."""
    unwrapper = UNWRAPPERS[form]()
    found = [message for piece in pieces for message in unwrapper.feed(piece)]
    unwrapper.close()
    return found


@pytest.mark.parametrize("form", STREAMS)
def test_stream_gives_its_messages_wherever_it_is_cut(form: str) -> None:
    """Whole, byte by byte, and at random."""
    data, random = STREAMS[form], Random(5)
    assert unwrapped(form, [data]) == MESSAGES
    assert unwrapped(form, (data[i : i + 1] for i in range(len(data)))) == MESSAGES
    for _ in range(50):
        cuts = sorted(random.sample(range(1, len(data)), 12))
        assert unwrapped(form, (data[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True))) == MESSAGES


@pytest.mark.parametrize("form", STREAMS)
def test_message_is_given_as_soon_as_it_is_whole(form: str) -> None:
    """Not when the next one begins."""
    unwrapper, given, data = UNWRAPPERS[form](), 0, STREAMS[form]
    ends = [data.index(one) + len(one) for one in MESSAGES[:2]]
    for i in range(ends[1] + 4):
        given += len(list(unwrapper.feed(data[i : i + 1])))
        assert given >= sum(end + 4 <= i + 1 for end in ends)


@pytest.mark.parametrize(("form", "missing"), [(EVENTS, 14), (EVENTS, 1), (LINES, 5), (FRAMES, 1), (FRAMES, 24)])
def test_stream_without_its_end_is_damage(form: str, missing: int) -> None:
    """Of lines, only a half one shows: they have no end of their own."""
    with pytest.raises(DecodeError):
        unwrapped(form, [STREAMS[form][:-missing]])


def test_frame_that_is_damaged_is_found() -> None:
    """One bit."""
    data = bytearray(STREAMS[FRAMES])
    data[3000] ^= 1
    with pytest.raises(DecodeError):
        unwrapped(FRAMES, [bytes(data)])


@pytest.mark.parametrize(
    ("form", "piece"),
    [(LINES, b"x" * 100), (EVENTS, b"data: " + b"x" * 100), (EVENTS, b"data: \n"), (EVENTS, b"data:x\n")],
)
def test_message_without_end_is_held_to_a_bound(monkeypatch: pytest.MonkeyPatch, form: str, piece: bytes) -> None:
    """A line, and an event of ever more lines, empty ones too."""
    monkeypatch.setattr(content, "MOST_LINE", 100_000)
    unwrapper, taken = UNWRAPPERS[form](), 0
    with pytest.raises(DecodeError, match="at most 100,000 bytes"):
        while taken < 10_000_000:
            list(unwrapper.feed(piece))
            taken += len(piece)


def test_event_of_several_lines_is_one_message() -> None:
    """Their data are joined by line ends, as the standard says."""
    assert unwrapped(EVENTS, [b'data: {"a":\ndata: 1}\n\ndata: [DONE]\n\n']) == [b'{"a":\n1}']
