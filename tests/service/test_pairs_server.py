"""The pairs do the same work, and their measurements have their rows."""

from collections import Counter

import pytest

from serlab import workloads
from serlab.codecs import open_codec
from serlab.service.pools import growth, pairs, sharing
from serlab.stats import CONTROL


@pytest.mark.parametrize("workload", ["chat-turn", "tool-call-response", "token-ids"])
@pytest.mark.parametrize("pair", ["buffer", "buffer-msgpack", "packer", "builder", "message-encode"])
def test_every_variant_writes_the_codecs_bytes(pair: str, workload: str) -> None:
    """Also when one object writes a long message after a short one, and the reverse."""
    codec_name, make = pairs.PAIRS[pair]
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
    prepare, calls = pairs.PAIRS["message-decode"][1]("ChatRequest")
    messages = [*workloads.build("agent-request"), *workloads.build("chat-turn")]
    for message in messages:
        data = prepare(message)
        assert calls["kept"](data) == calls["fresh"](data)


def test_a_reused_protobuf_message_grows_with_every_use() -> None:
    """Why there is no pool of them: its arena gives nothing back."""
    fresh, kept = growth.experiment("chat-turn")
    size = len(open_codec("protobuf", "ChatRequest").encode(workloads.build("chat-turn")[0]))
    assert kept.value > size > abs(fresh.value)
    assert (fresh.metric, fresh.unit, kept.operation) == ("growth", "B", "pool/message-decode/kept")


def test_pairs_have_a_row_for_every_variant() -> None:
    """With the version of the codec; the fresh one twice."""
    rows = pairs.experiment("chat-turn", ("buffer", "packer"))
    found = {(row.codec, row.operation) for row in rows}
    assert found == {
        *(("msgspec-json", f"pool/buffer/{name}") for name in ("fresh", "kept", "pooled", "copied")),
        *(("msgpack", f"pool/packer/{name}") for name in ("fresh", "kept", "pooled")),
        ("msgspec-json" + CONTROL, "pool/buffer/fresh"),
        ("msgpack" + CONTROL, "pool/packer/fresh"),
    }
    assert all(row.value > 0 and row.codec_version and row.unit == "ns" for row in rows)


def test_sharing_has_a_row_for_every_pool_and_counter() -> None:
    """Waiting costs more than not waiting, and a pool more than none."""
    figures = {row.operation: row.value for row in sharing.experiment((1, 2), (1, 16)) if not row.codec}
    threads = {f"{what}/threads={n}" for n in (1, 2) for what in ("count/itertools", "count/lock", "share/bare")}
    threads |= {f"share/{name}/threads={n}" for n in (1, 2) for name in sharing.POOLS}
    tasks = {f"share/{name}/tasks={n}" for n in (1, 16) for name in (*sharing.POOLS, "waiting", "none")}
    assert figures.keys() == threads | tasks
    assert figures["share/none/tasks=16"] < figures["share/list/tasks=16"] < figures["share/waiting/tasks=16"]
