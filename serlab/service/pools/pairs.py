"""Fresh against reused, pair by pair: what reuse gains, and what a pool takes of it.

Each pair has up to four variants of the same work on the same populated messages:

- `fresh`: a new object for each message.
- `kept`: one object for all, without a pool: all that reuse can gain. A thread's own is as good.
- `pooled`: the object is leased for each message.
- `copied`: pooled, and the bytes are copied out, for whoever needs them after the object has gone back.

The protobuf pairs reuse a message by `Clear`. upb's messages live in an arena that gives nothing back before its last
message goes, so a message that is used again grows with every use. It is renewed every `variants.RENEWED` uses here,
lest it eat the memory; `growth` measures by how much it grows. `Clear` and `__init__` on the same object is the only
way to fill it again in one call.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from serlab import workloads
from serlab.measure.arms import Arm, calibrate, interleave
from serlab.measure.effort import EFFORTS
from serlab.results import Row
from serlab.service.armrows import control, rows_of
from serlab.service.pools import variants

PAIRS: dict[str, tuple[str, Callable[[str], variants.Variants]]] = {
    "buffer": ("msgspec-json", lambda kind: variants.buffer_variants("msgspec-json", kind)),
    "buffer-msgpack": ("msgspec-msgpack", lambda kind: variants.buffer_variants("msgspec-msgpack", kind)),
    "buffer-orjson": ("orjson", variants.orjson_variants),
    "packer": ("msgpack", variants.packer_variants),
    "builder": ("flatbuffers-official", variants.builder_variants),
    "message-encode": ("protobuf", variants.message_encode_variants),
    "message-decode": ("protobuf", variants.message_decode_variants),
}
"""Pair → its codec, and kind → its variants."""


def experiment(
    workload: str = "chat-turn",
    pairs: Sequence[str] = tuple(PAIRS),
    effort: str = "quick",
    *,
    seed: int = 0,
    run: str = "",
    process: int = 0,
) -> list[Row]:
    """Time pairs, all variants interleaved in one process.

    Args:
        workload: of the messages.
        pairs: some of `PAIRS`.
        effort: one of `serlab.measure.effort.EFFORTS`.
        seed: of the messages and the order.
        run: the run's id.
        process: the worker's number.

    Returns:
        Rows of the metric `time` in ns a message, in the operations `pool/PAIR/VARIANT`; `fresh` twice (A/A).
    """
    messages, kind = workloads.build(workload, seed), workloads.kind(workload)
    arms = [arm for pair in pairs for arm in arms_of(pair, kind, messages)]
    settings = EFFORTS[effort]._asdict()
    times = interleave([calibrate(settings, arm) for arm in arms], Random(f"{seed}/{process}/{workload}"))
    return rows_of(times, workload, kind, run, process)


def arms_of(pair: str, kind: str, messages: list[Any]) -> list[Arm]:
    """Make the arms of a pair, the first one twice."""
    codec, make = PAIRS[pair]
    prepare, calls = make(kind)
    items = [prepare(message) for message in messages]
    arms = [Arm(f"{codec} pool/{pair}/{name}", call, items, len(items)) for name, call in calls.items()]
    return [*arms, arms[0]._replace(name=control(arms[0].name))]
