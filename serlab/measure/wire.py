"""The experiments of `serlab wire`, by name: what each asks, on which messages, under which conditions.

What they do is in `serlab.service.experiments`, which needs the extra `service`; this is what a plan has to know.
"""

from collections.abc import Iterable
from typing import NamedTuple

WIRE = "wire"
"""The part of a run, and the first word of its rows' operations."""
CODECS = ("orjson", "json", "msgspec-json", "msgpack", "msgspec-msgpack", "protobuf", "flatbuffers")
"""What is compared where the user names nothing: the formats, and of each library the variant that one would pick."""


class Experiment(NamedTuple):
    """One experiment.

    Attributes:
        question: that it answers.
        conditions: what every row of it was measured under, beside those in its operation.
        workloads: built-in ones that it takes where the user names none.
        kinds: of message that it can take; empty for any.
        cost_s: about what a worker of a quick run takes on one workload, in seconds.
    """

    question: str
    conditions: str
    workloads: tuple[str, ...]
    kinds: tuple[str, ...]
    cost_s: float


EXPERIMENTS: dict[str, Experiment] = {
    "transport": Experiment(
        "What share of a call is the codec, over HTTP/1.1, HTTP/2 and gRPC?",
        "loopback, no TLS, a kept connection; the server decodes the message and sends it back encoded; "
        "HTTP/1.1 by aiohttp, HTTP/2 by httpx2, gRPC by grpc.aio, served by granian and grpc.aio in another process",
        ("chat-turn", "agent-request", "logprobs-response", "embeddings"),
        (),
        3.0,
    ),
    "loop-stall": Experiment(
        "How long do others on the event loop wait while large bodies are coded there?",
        "a client that sends bodies over HTTP/1.1 on loopback at a stated rate, beside a ticker every millisecond",
        ("image-request", "logprobs-response", "embeddings"),
        (),
        4.0,
    ),
    "stream": Experiment(
        "What does a streamed token cost by envelope, codec, framing and coalescing?",
        "loopback, no TLS, a kept connection, a model that takes no time; one stream at a time",
        ("chat-turn",),
        ("ChatRequest",),
        6.0,
    ),
    "vectors": Experiment(
        "What does the form of the vectors cost in an embeddings call?",
        "loopback, HTTP/1.1, no TLS, a kept connection, a model that takes no time; as many texts and numbers as the message has",
        ("embeddings",),
        ("EmbeddingResponse",),
        4.0,
    ),
    "connection": Experiment(
        "What does a connection cost, new, kept and resumed?",
        "a relay on loopback that delays each way by half of the round trip (rtt); HTTP/1.1 by a blocking client; "
        "the same request for one token, encoded beforehand, on every connection",
        ("chat-turn",),
        ("ChatRequest",),
        8.0,
    ),
    "cache": Experiment(
        "What do a look-up, a hit and a put cost, and how much does a compact codec let a cache hold?",
        "one process; LMDB in a temporary folder; Redis a process of its own on loopback; Zipf exponent 0.8",
        ("chat-response",),
        ("ChatResponse",),
        4.0,
    ),
    "pooling": Experiment(
        "What does reuse gain over new buffers, Packers, Builders and messages, and what does sharing cost?",
        "one process; no server",
        ("chat-turn", "agent-request"),
        (),
        3.0,
    ),
    "cancel": Experiment(
        "What does a call that is cancelled still cost, and what does it leave behind?",
        "loopback, a model of 1 ms a token; calls cancelled at random moments, whole and streamed, 20 at once",
        ("chat-turn",),
        ("ChatRequest",),
        6.0,
    ),
}
"""Name → experiment."""


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Resolve the experiments: none or "all" stand for every one."""
    given = tuple(dict.fromkeys(names))
    return tuple(EXPERIMENTS) if not given or "all" in given else given
