"""The fuzzer finds what is planted, and what was once found stays fixed."""

import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serlab.codecs import codec_names, open_codec
from serlab.codecs.base import Codec
from serlab.errors import DecodeError, EncodeError
from serlab.messages import MESSAGE_TYPES, from_document
from tests.fuzz.__main__ import fuzz, replay
from tests.fuzz.mutate import MUTATIONS, cases, mutated, seeds
from tests.fuzz.targets import TARGETS
from tests.fuzz.worker import attempt, checked, save
from tests.support.strategies import documents

CRASHERS = sorted((Path(__file__).parents[1] / "crashers").glob("*.bin"))


@pytest.mark.parametrize("path", CRASHERS, ids=lambda path: path.stem)
def test_what_was_found_stays_fixed(path: Path) -> None:
    """All targets, under the time limit; the name says codec and kind."""
    codec, kind, *_ = path.name.split(".")
    assert [checked(codec, kind, target, path.read_bytes())[1] for target in TARGETS] == [""] * len(TARGETS)


@pytest.mark.slow
def test_every_codec_and_kind_has_seeds() -> None:
    """Each decodes before it is damaged."""
    for codec, kind in cases(codec_names()):
        for data in seeds(codec, kind):
            open_codec(codec, kind).decode(data)


@pytest.mark.parametrize("codec", ["json", "orjson", "msgpack", "msgspec-msgpack", "protobuf", "flatbuffers"])
@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_almost_valid_messages_raise_nothing_but_decode_error(codec: str, kind: str) -> None:
    """Documents drawn from the types, with nulls, unknown fields and values of wrong types, and then damaged."""

    @given(documents(kind, surrogates=False, huge=False), st.randoms(use_true_random=False))
    def check(document: object, random: Random) -> None:
        try:
            data = bytearray(open_codec(codec, kind).encode(from_document(kind, document)))
        except EncodeError:
            return
        random.choice(MUTATIONS)(data, random)
        for target in TARGETS:
            assert attempt(codec, kind, target, bytes(data))[1] == ""

    check()


def test_same_seed_gives_the_same_cases() -> None:
    """A finding can be found again."""
    first, second = (mutated("json", "ChatRequest", Random(seed)) for seed in (5, 5))
    assert first == second


@pytest.mark.parametrize(("fault", "word"), [("raise", "KeyError"), ("sleep", "took"), ("memory", "GrownError")])
def test_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str, word: str) -> None:
    """Another exception, a slow case, memory that ran out; it is kept, and shown again."""
    real = Codec.decode

    def planted(self: Codec, data: bytes) -> object:
        if fault == "raise":
            raise KeyError("planted")
        if fault == "sleep":
            end = time.process_time() + 0.02
            while time.process_time() < end:
                continue
            raise DecodeError("late")
        try:
            raise MemoryError
        except MemoryError as error:
            raise DecodeError("grown") from error

    monkeypatch.setattr(Codec, "decode", planted)
    monkeypatch.setattr("tests.fuzz.worker.LIMIT_S", 0.01 if fault == "sleep" else 60)
    why = checked("json", "ChatRequest", "decode", b"{}")[1]
    assert word in why
    save(tmp_path, "json", "ChatRequest", "decode", b"{}", why)
    (kept,) = tmp_path.glob("*.bin")
    assert replay(kept) == 1 and word in kept.with_suffix(".txt").read_text()
    monkeypatch.setattr(Codec, "decode", real)
    monkeypatch.setattr("tests.fuzz.worker.LIMIT_S", 60)
    assert replay(kept) == 0


def test_silent_change_in_a_frame_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that does not look at the checksum gives something else."""
    monkeypatch.setattr("tests.fuzz.targets.decode_frame", lambda data: bytes(data)[16:])
    assert any("SilentChangeError" in attempt("json", "document", "frame", bytes([n]) * 40)[1] for n in range(20))


def test_worker_that_dies_leaves_its_case(tmp_path: Path) -> None:
    """A codec that does not exist ends the worker before its first case; the run says so and does not pass."""
    with pytest.raises(RuntimeError, match="a worker did not start"):
        fuzz(1, 3, 1, tmp_path, ["no-such-codec"])


@pytest.mark.slow
def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    """Two seconds over every codec, in a process of its own, since it bounds its memory."""
    assert fuzz(7, 2, 1, tmp_path, []) == 0
    assert list(tmp_path.glob("*.bin")) == []
