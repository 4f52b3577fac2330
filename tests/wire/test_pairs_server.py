"""The pairs do the same work, and their measurements have their rows."""

from collections import Counter
from typing import Any

import pytest

from serlab import workloads
from serlab.cases import CONTROL, FLOOR
from serlab.codecs import open_codec
from serlab.errors import ServiceError, WorkerError
from serlab.measure.wire import METRICS
from serlab.wire.experiments import pool_costs as costs
from serlab.wire.experiments import pool_growth as growth
from tests.support.jobs import wire_job
from tests.wire.cachehelpers import Figures, arms_in, measured


@pytest.mark.parametrize("workload", ["chat-turn", "tool-call-response", "token-ids"])
@pytest.mark.parametrize("pair", ["buffer", "buffer-msgpack", "packer", "builder", "message-encode"])
def test_every_variant_writes_the_codecs_bytes(pair: str, workload: str) -> None:
    """Also when one object writes a long message after a short one, and the reverse."""
    codec_name, make = costs.PAIRS[pair]
    kind = workloads.kind(workload)
    codec = open_codec(codec_name, kind)
    messages = workloads.build(workload) + workloads.build(workload, seed=1)
    messages += [type(messages[0])(model="m"), messages[0]]
    prepare, calls = make(kind)
    compared = Counter[str]()
    for name, call in calls.items():
        for message in messages:
            written = call(prepare(message))
            # `kept` and `pooled` buffers keep their bytes to themselves; `copied` shows them.
            if written is not None:
                assert written == codec.encode(message), name
                compared[name] += 1
    assert len(compared) >= 2


def test_a_reused_protobuf_message_reads_as_a_new_one() -> None:
    """`ParseFromString` clears what was there before."""
    prepare, calls = costs.PAIRS["message-decode"][1]("ChatRequest")
    messages = [*workloads.build("agent-request"), *workloads.build("chat-turn")]
    for message in messages:
        data = prepare(message)
        assert calls["kept"](data) == calls["fresh"](data)


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Run the experiment once; the codecs to be compared are no matter to it."""
    return measured("pooling", "chat-turn", ["orjson"])[0]


def test_a_reused_protobuf_message_grows_with_every_use_until_it_is_deleted(figures: Figures) -> None:
    """Its arena gives nothing back while it lives, and then nearly all. The A/A is another process's."""
    variants = ("fresh", "kept", "released")
    grown = {arm: figures["wire/pooling/message-decode", "growth-per-use", arm] for arm in variants}
    again = figures["wire/pooling/message-decode", "growth-per-use", "fresh" + CONTROL]
    size = len(open_codec("protobuf", "ChatRequest").encode(workloads.build("chat-turn")[0]))
    assert grown["kept"] > size > abs(grown["fresh"]) and size > abs(again)
    assert abs(grown["released"]) < grown["kept"] / 10


def test_growth_that_cannot_be_measured_is_an_error() -> None:
    """With what the process said last."""
    with pytest.raises(WorkerError, match=r"growth of nonsense: .*nonsense"):
        growth.measured(wire_job("pooling", "nonsense", kind="ChatRequest"))


def test_pairs_have_a_row_for_every_variant(figures: Figures) -> None:
    """The fresh one twice."""
    expected = {
        "buffer": {"kept", "pooled", "copied"},
        "buffer-msgpack": {"kept", "pooled", "copied"},
        "buffer-orjson": {"kept", "pooled", "bytes"},
        "packer": {"kept", "pooled"},
        "builder": {"kept", "pooled"},
        "message-encode": {"kept"},
        "message-decode": {"kept"},
    }
    assert expected.keys() == costs.PAIRS.keys()
    for pair, names in expected.items():
        assert arms_in(figures, f"wire/pooling/{pair}") == names | {"fresh", "fresh" + CONTROL}
    assert all(value > 0 for (_, metric, _), value in figures.items() if metric == "latency")
    assert {metric for _, metric, _ in figures} <= METRICS.keys()


def test_sharing_has_a_row_for_every_pool_and_counter(figures: Figures) -> None:
    """The first of each group twice; among tasks the floor has no pool."""
    pools = {*costs.POOLS, "list" + CONTROL}
    for count in (1, 4):
        assert arms_in(figures, f"wire/pooling/share/threads={count}") == pools | {"bare"}
        found = arms_in(figures, f"wire/pooling/count/threads={count}")
        assert found == {*costs.COUNTERS, "itertools" + CONTROL}
    for count in (1, 16):
        assert arms_in(figures, f"wire/pooling/share/tasks={count}") == pools | {"waiting", FLOOR + "none"}


def test_waiting_costs_more_than_no_pool(figures: Figures) -> None:
    """With twice as many tasks as objects, on any machine."""
    tasks = "wire/pooling/share/tasks=16"
    assert figures[tasks, "latency", FLOOR + "none"] < figures[tasks, "latency", "waiting"]


def test_what_has_no_schema_leaves_out_the_pairs_that_need_one() -> None:
    """They are told, once a run; sharing has nothing to do with messages, and comes with one workload only."""
    changes: dict[str, Any] = {"kind": "document", "documents": [{"temperature": 21.5, "n": 1}]}
    figures, findings = measured("pooling", "mine.jsonl", ["orjson"], **changes)
    found = {operation.removeprefix("wire/pooling/") for operation, _, _ in figures}
    assert found == {"buffer", "buffer-msgpack", "buffer-orjson", "packer"}
    assert {(one.codec, one.outcome) for one in findings} == {
        ("protobuf", "no_schema"),
        ("flatbuffers-official", "no_schema"),
    }
    assert measured("pooling", "mine.jsonl", ["orjson"], process=1, **changes)[1] == []


def test_a_message_that_a_pairs_codec_refuses_leaves_out_the_pair() -> None:
    """Beyond 64 bits msgpack has no form."""
    changes: dict[str, Any] = {"kind": "document", "documents": [{"n": 1 << 70}]}
    figures, findings = measured("pooling", "mine.jsonl", ["json"], **changes)
    assert not arms_in(figures, "wire/pooling/packer")
    assert {"msgpack": "refused"}.items() <= {one.codec: one.outcome for one in findings}.items()


def test_vectors_are_compared_as_what_they_are() -> None:
    """Messages that hold arrays come back equal, and so no pair is left out."""
    figures, findings = measured("pooling", "embeddings", ["orjson"])
    assert findings == []
    assert {operation.removeprefix("wire/pooling/") for operation, _, _ in figures} == costs.PAIRS.keys()


def test_a_variant_that_does_something_else_is_not_timed() -> None:
    """A comparison of different work is none."""
    with pytest.raises(ServiceError, match="the same of kept as of fresh"):
        costs.check("buffer", {"fresh": bytes, "pooled": lambda item: None, "kept": bytearray.hex}, [bytearray(b"a")])
