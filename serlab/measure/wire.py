"""The experiments of `serlab wire`, by name: what each asks, on which messages, under which conditions.

What they do is in `serlab.wire.experiments`; this is what a plan has to know. A plan can be made without the extra
`service`; an experiment that starts a server cannot be measured without it.
"""

from collections.abc import Iterable
from importlib import metadata, util
from typing import NamedTuple

from serlab.codecs import CodecInfo, codec_for
from serlab.errors import MissingPackageError, UnknownNameError

WIRE = "wire"
"""The part of a run, and the first word of its rows' operations."""
METRICS = {
    "latency": "ns",
    "first-token": "ns",
    "token-rate": "tokens/s",
    "token-bytes": "bytes/token",
    "body-bytes": "bytes",
    "stall-p50": "ns",
    "stall-p99": "ns",
    "stall-max": "ns",
    "body-rate": "bodies/s",
    "client-cpu": "share",
    "round-trips": "1",
    "hit-rate": "share",
    "growth-per-use": "bytes",
    "stop-lag": "ns",
    "wasted-tokens": "tokens/call",
    "left-tasks": "1",
    "left-descriptors": "1",
    "left-bytes": "bytes",
}
"""Metric of the experiments on the wire → its unit; their operations begin with `wire/`."""
NEEDS = ("granian", "starlette", "trustme", "grpc", "aiohttp", "httpx2", "h2", "lmdb", "redis")
INSTALL = "pip install 'serlab[service]'"
DISTRIBUTIONS = {"grpc": "grpcio"}


def is_compared(info: CodecInfo, with_vectors: bool) -> bool:
    """Return whether a codec is compared where the user names none: those that verify, and no variants.

    Args:
        info: the codec's record.
        with_vectors: whether the messages hold vectors, which also go as bytes and, from the baseline, as base64.
    """
    if not info.verifies or not info.variant_of:
        return info.verifies
    return with_vectors and (info.vectors == "bin" or (info.vectors != "" and info.variant_of == codec_for("baseline")))


class Experiment(NamedTuple):
    """One experiment.

    Attributes:
        question: that it answers.
        conditions: what every row of it was measured under, beside those in its operation.
        workloads: built-in ones that it takes where the user names none.
        kinds: of message that it can take; empty for any.
        cost_s: about what a worker of a quick run takes on one workload, in seconds.
        needs: modules that it imports and that may be missing.
    """

    question: str
    conditions: str
    workloads: tuple[str, ...]
    kinds: tuple[str, ...]
    cost_s: float
    needs: tuple[str, ...] = NEEDS


EXPERIMENTS: dict[str, Experiment] = {
    "transport": Experiment(
        "What share of a call is the codec, over HTTP/1.1, HTTP/2 and gRPC?",
        "loopback, no TLS, a kept connection; the server decodes the message and sends it back encoded; "
        "HTTP/1.1 by aiohttp, HTTP/2 by h2, gRPC by grpc.aio, served by granian and grpc.aio in another process",
        ("chat-turn", "agent-request", "logprobs-response", "embeddings"),
        (),
        3.0,
    ),
    "loop-stall": Experiment(
        "How long do others on the event loop wait while large bodies are coded there?",
        "loopback, HTTP/1.1 by aiohttp, no TLS; a client that sends 40 bodies per second, five in a window, and "
        "decodes what comes back, beside a ticker every millisecond",
        ("logprobs-response", "embeddings"),
        (),
        11.0,
    ),
    "stream": Experiment(
        "What does a streamed token cost by envelope, codec, framing and coalescing?",
        "loopback, no TLS, a kept connection, a model that takes no time; one stream of 256 tokens at a time; "
        "HTTP/1.1 by aiohttp, HTTP/2 by h2, gRPC by grpc.aio, the server in another process",
        ("chat-turn",),
        ("ChatRequest",),
        5.0,
    ),
    "vectors": Experiment(
        "What does the form of the vectors cost in an embeddings call?",
        "loopback, HTTP/1.1, no TLS, a kept connection, a model that takes no time; "
        "as many texts and numbers as the message has, the same again; one float32 array at the end",
        ("embeddings",),
        ("EmbeddingResponse",),
        3.5,
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
        "What do a look-up, a hit and a put cost, and how much does a compact codec, or zstd, let a cache hold?",
        "one process; LMDB in a temporary folder; Redis a process of its own on loopback; the call over HTTP/1.1 on "
        "loopback, no TLS, a kept connection, a model that takes no time, an answer of about the cached ones' length; "
        "1,000 answers, 20,000 requests, Zipf exponent 0.8, an empty cache",
        ("chat-response",),
        ("ChatResponse",),
        8.4,
    ),
    "pooling": Experiment(
        "What does reuse gain over new buffers, Packers, Builders and messages, and what does sharing cost?",
        "one process; no server; messages as the codecs write and read them, or empty objects that are shared",
        ("chat-turn", "agent-request"),
        (),
        4.0,
        needs=(),
    ),
    "cancel": Experiment(
        "What does a call that is cancelled still cost, and what does it leave behind?",
        "loopback, protobuf, the message as a prompt, a model of 1 ms a token; left: after 200 calls (quick; else up "
        "to 1,000), whole and streamed, 20 at once, cancelled when the server is at them or 1 to 10 tokens have come, "
        "a few before; stopping: one stream at a time, left after 1 to 10 tokens; untold: an answer of 50 tokens",
        ("chat-turn",),
        ("ChatRequest",),
        11.0,
    ),
}
"""Name → experiment."""


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Resolve the experiments: none stands for every one.

    Raises:
        UnknownNameError: there is no experiment of that name.
    """
    given = tuple(dict.fromkeys(names)) or tuple(EXPERIMENTS)
    for name in given:
        if name not in EXPERIMENTS:
            raise UnknownNameError.of("experiment", name, EXPERIMENTS)
    return given


def taken(experiment: str, kinds: dict[str, str], by_user: bool) -> list[str]:
    """List the workloads that an experiment takes.

    Args:
        experiment: its name.
        kinds: workload → kind, of the run.
        by_user: whether the user named the workloads or brought a corpus; else it takes its own.
    """
    one = EXPERIMENTS[experiment]
    if not by_user:
        return [name for name in one.workloads if name in kinds]
    return [name for name, kind in kinds.items() if not one.kinds or kind in one.kinds]


def defaults(experiments: Iterable[str]) -> tuple[str, ...]:
    """List the built-in workloads that experiments take."""
    return tuple(dict.fromkeys(name for one in chosen(experiments) for name in EXPERIMENTS[one].workloads))


def cost(experiment: str, arm_ns: int) -> float:
    """Estimate the seconds of a worker; a quick run's arm has 40 ms."""
    return EXPERIMENTS[experiment].cost_s * (0.5 + 0.5 * arm_ns / 40e6)


def check_installed(names: Iterable[str]) -> None:
    """See that experiments can run, before anything is measured.

    Args:
        names: of the experiments; none is none here.

    Raises:
        MissingPackageError: a package is missing.
    """
    for name in names:
        for module in EXPERIMENTS[name].needs:
            if not _is_installed(module):
                raise MissingPackageError(f"serlab wire {name} needs {package_of(module)}: {INSTALL}{_spared(module)}")


def _spared(module: str) -> str:
    """Name the experiments that do without a module."""
    others = [name for name, one in EXPERIMENTS.items() if module not in one.needs]
    return f" (without it: serlab wire {' '.join(others)})" if others else ""


def _is_installed(module: str) -> bool:
    """Return whether a module can be imported; it is not imported here."""
    return util.find_spec(module) is not None


def package_of(module: str) -> str:
    """Name the package that brings a module."""
    return DISTRIBUTIONS.get(module, module)


def versions(names: Iterable[str]) -> dict[str, str]:
    """List the versions of what experiments are made of."""
    modules = dict.fromkeys(module for name in chosen(names) for module in EXPERIMENTS[name].needs)
    return {package_of(module): metadata.version(package_of(module)) for module in modules if _is_installed(module)}


def conditions(experiments: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return what was asked, and under which conditions, for the record of a run."""
    picked = {name: EXPERIMENTS[name] for name in chosen(experiments)}
    return {name: {"question": one.question, "conditions": one.conditions} for name, one in picked.items()}
