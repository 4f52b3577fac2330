"""The search for dear messages: what it writes is valid, what is planted it finds, and in a short run nothing else."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgpack
import orjson
import pytest

from serlab.codecs import open_codec
from serlab.codecs.flatbuffers import verify
from serlab.generated.llm_layout import LAYOUT
from tests.attack import documents, trial
from tests.attack.__main__ import keep, replay
from tests.attack.entrances import ENTRANCES, RENDERS, UNGUARDED, USUAL
from tests.attack.finds import Find
from tests.attack.mutate import mutated, shortened
from tests.attack.proof import REPAIRS
from tests.attack.recipe import Node, plain, scaled, shape
from tests.attack.schemas import root
from tests.attack.search import Search
from tests.attack.seeds import KINDS, seeds
from tests.attack.tables import flatbuffers
from tests.attack.trial import MIB, Cost, Trial, may_hold, score, warm
from tests.attack.tried import Tried

pytestmark = pytest.mark.slow

FORMS = ("json", "msgpack", "protobuf", "flatbuffers")
ONE = ("dict", ("block", 1, "model", ("text", "a", 3, "")))


def recipes(form: str, kind: str, count: int) -> Iterator[Node]:
    """Change recipes again and again, as the search does."""
    random, place = Random(5), root(form, kind)
    node = other = place.grow(random)
    for _ in range(count):
        node, other = shortened(random, mutated(random, node, other, place), RENDERS[form], 2**16), node
        yield node


@pytest.mark.parametrize("form", FORMS)
def test_a_recipe_has_the_length_that_it_says(form: str) -> None:
    """And comes back from a JSON file as it was."""
    kind = "EmbeddingResponse"
    for node in (*(node for _, node in seeds(form)), *recipes(form, kind, 150)):
        rope = scaled(node, RENDERS[form], 5000)
        assert rope.length > 10 * MIB or len(rope.make()) == rope.length
        assert plain(json.loads(json.dumps(node))) == node


@pytest.mark.parametrize("form", FORMS)
def test_seeds_grow_to_the_length_that_is_wanted(form: str) -> None:
    """A message of a megabyte, and the same of eight."""
    for _, node in seeds(form):
        for size in (MIB, 8 * MIB):
            rope = scaled(node, RENDERS[form], size)
            assert rope.length <= size
            assert rope.length > 0.9 * size or shape(node).count("text(a,)") or rope.length < 2**16


def test_documents_are_what_parsers_read() -> None:
    """JSON and MessagePack of one recipe say the same, keys that are all different included."""
    node = (
        "dict",
        ("block", 1, "list", ("list", ("block", 3, None, ("atom", "1.5")), ("block", 2, None, ("dict",)))),
        ("block", 70, "text", ("nest", "dict", 2, ("text", "é", 2, "😀"))),
    )
    read = orjson.loads(scaled(node, RENDERS["json"], MIB).make())
    assert read == msgpack.unpackb(scaled(node, RENDERS["msgpack"], MIB).make())
    assert len(read) == 71 and read["list"] == [1.5, 1.5, 1.5, {}, {}]


@pytest.mark.parametrize("alias", [False, True])
def test_tables_are_what_the_verifier_passes(alias: bool) -> None:
    """With a number of eight bytes, which must be aligned, and without."""
    for extra in ((), (("block", 1, 1, ("inline", 8, 5)),)):
        turn = ("table", ("block", 1, 2, ("text", "a", 5, "")))
        slots = {name: slot for name, (slot, _) in LAYOUT["ChatRequest"].items()}
        number = tuple(("block", 1, slots["seed"], block[3]) for block in extra)
        node = ("table", ("block", 1, slots["messages"], ("vector", alias, ("block", 3, None, turn))), *number)
        data = flatbuffers(node, 1.0).make()
        verify("ChatRequest", data)
        assert len(open_codec("flatbuffers", "ChatRequest").decode(data).messages) == 3


def test_colliding_keys_are_all_different() -> None:
    """Arrays of -1 and -2 in all their orders."""
    node = ("dict", ("block", 64, ("bits", "-1", "-2"), ("atom", "1")))
    read = msgpack.unpackb(documents.msgpack(node, 1.0).make(), strict_map_key=False, use_list=False)
    assert len(read) == 64 and len({hash(key) for key in read}) == 1


def test_same_seed_gives_the_same_recipes() -> None:
    """A search can be followed again."""
    assert list(recipes("msgpack", "ChatRequest", 30)) == list(recipes("msgpack", "ChatRequest", 30))


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("raise", "KeyError: 'planted'"), ("spin", "killed"), ("grow", "killed"), ("die", "ended with")],
)
def test_trial_says_what_happened(monkeypatch: pytest.MonkeyPatch, fault: str, outcome: str) -> None:
    """Another exception, time without end, memory without end, and the death of the process."""

    def planted(codec: str, kind: str, data: bytes) -> None:
        if fault == "raise":
            raise KeyError("planted")
        if fault == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        held = []
        while True:
            held.append(b"x" * MIB if fault == "grow" else None)
            held = held if fault == "grow" else []

    monkeypatch.setitem(ENTRANCES, "decode", planted)
    cost = Trial("orjson", "decode", "ChatRequest", ONE, 100).result()
    assert outcome in cost.outcome and cost.length == 15 and score("orjson", cost) > 1


def test_trial_measures_memory_that_is_let_go() -> None:
    """A peak of two copies, which no longer is there when the call ends."""
    warm("json")
    node = ("dict", ("block", 1, "model", ("text", "a", 1.0, "")))
    cost = Trial("json", "relay", "ChatRequest", node, MIB).result()
    assert cost.outcome == "accepted" and 1.8 * MIB < cost.memory < 10 * MIB


def test_refusal_is_no_fault() -> None:
    """Bytes that are no message."""
    node = ("message", ("block", 1, 4, ("claim", "text", 900)))
    assert Trial("protobuf", "decode", "ChatRequest", node, 99).result().outcome == "refused"


@pytest.mark.parametrize("codec", ["orjson", "msgpack", "flatbuffers"])
def test_unguarded_codec_is_found(codec: str, tmp_path: Path) -> None:
    """The same search over a codec without limits finds what is too dear, and writes down how to make it."""
    found: list[Find] = []
    search = Search([codec + UNGUARDED], Random(1), say=found.append)
    search.run(600, first=True)
    assert found and found[0].score > 1
    path = Path(keep(tmp_path, found[0]))
    assert path.stat().st_size < 20_000 and replay(path, tmp_path / "message") == 1
    assert (tmp_path / "message").stat().st_size == found[0].cost.length


def test_promising_lengths_lie_below_a_refusal() -> None:
    """Longer while a message is accepted, then between the longest accepted and the shortest refused one."""
    tried = Tried("orjson", "document", ("list", ("block", 1.0, None, ("atom", "list"))))
    tried.costs["decode", 2**16] = Cost(2**16, 0.01, 8 * MIB, "accepted")
    assert [size for _, size in tried.next_lengths()] == [8 * 2**16]
    tried.costs["decode", 63 * MIB] = Cost(63 * MIB, 0.3, 2 * MIB, "refused")
    ((value, size),) = tried.next_lengths()
    assert 2**16 < size < 63 * MIB and value > 0


def test_every_repair_names_seeds_that_there_are() -> None:
    """A search that leaves out what there is not proves nothing."""
    for repair in REPAIRS.values():
        assert set(repair.left_out) <= set(KINDS) and set(repair.codecs) <= set(USUAL)


def is_too_large(find: Find) -> bool:
    """Return whether a find takes more memory than its budget."""
    return find.cost.memory > may_hold(find.codec, find.cost.length)


@pytest.mark.parametrize("codec", USUAL)
def test_a_short_search_finds_nothing(monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    """A few seconds from the seeds on; a find is shown with how to make it.

    Time counts from three times the budget on: beside a load and on a machine that is slow where memory is read here
    and there, what is near to the budget is beyond it now and then. Memory has no such excuse.
    """
    monkeypatch.setattr(trial, "OVER", 3.0)
    search = Search([codec], Random(3))
    search.run(4)
    assert search.trials
    assert [find for find in search.finds if find.score >= 3 or is_too_large(find)] == []
