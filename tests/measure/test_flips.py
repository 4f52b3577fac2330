"""Flipped bits: what a codec misses, a frame does not."""

from random import Random

import pytest

from serlab import open_codec
from serlab.notebook.corpora import OUTCOMES, REFUSED, UNNOTICED, flipped, flips
from serlab.workloads import build

CODECS = ["json", "orjson", "msgpack", "msgspec-msgpack", "protobuf", "flatbuffers"]


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_misses_flipped_bits_and_a_frame_none(name: str) -> None:
    """Most of a message is text, in which any bit is as good as another."""
    codec, (message,) = open_codec(name, "ChatRequest"), build("chat-turn")
    bare, framed = flips(codec, message, 100), flips(codec, message, 100, framed=True)
    assert bare[UNNOTICED] > 0
    assert framed == {**dict.fromkeys(OUTCOMES, 0), REFUSED: 100}


def test_one_seed_flips_the_same_bits() -> None:
    """So that a table is the same each time."""
    codec, (message,) = open_codec("orjson", "ChatRequest"), build("chat-turn")
    assert flips(codec, message, 50) == flips(codec, message, 50)


def test_one_bit_is_flipped_and_any_can_be() -> None:
    """Of two bytes there are sixteen."""
    random = Random(0)
    seen = {flipped(b"\x00\x00", random) for _ in range(500)}
    assert {int.from_bytes(data, "big") for data in seen} == {1 << bit for bit in range(16)}
