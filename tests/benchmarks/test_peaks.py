"""The peak of each decode stays under a limit: pytest-memray, in `make test` too.

A limit is twice the peak that was measured for the workload and the codec's family (a codec and its `-fresh` and
`-unverified` variants), and one arena. Twice, since libraries and versions of Python differ in how they grow a buffer;
a second copy of a body's objects fails, a few bytes more do not. One arena, since Python takes its memory for small
objects in steps of 1 MiB, when it happens to run out: limits of small bodies say no more than that a decoder takes
no megabyte for them.

The peaks were read off `memray.Tracker(file, trace_python_allocators=True)` around the same loop, the largest of a
family: CPython 3.11, orjson 3.13.0, msgpack 1.2.4, protobuf 7.36.2, msgspec 0.22.0. Exact counts are `serlab memory`'s.
"""

from typing import Any

import pytest

from serlab import workloads
from serlab.codecs import open_codec
from tests.benchmarks.test_codecs import CASES, encoded

pytestmark = pytest.mark.slow

ARENA_KIB = 1024
PEAK_KIB = {
    "json": {
        "chat-turn": 9,
        "agent-request": 284,
        "rag-request": 131,
        "image-request": 2052,
        "tool-call-response": 7,
        "chat-response": 9,
        "logprobs-response": 1601,
        "stream": 7,
        "embeddings": 2572,
        "token-ids": 1246,
        "azure-conv": 64,
        "azure-code": 64,
        "mooncake-conv": 621,
    },
    "orjson": {
        "chat-turn": 31,
        "agent-request": 1306,
        "rag-request": 551,
        "image-request": 13317,
        "tool-call-response": 18,
        "chat-response": 31,
        "logprobs-response": 3801,
        "stream": 9,
        "embeddings": 13792,
        "token-ids": 2801,
        "azure-conv": 395,
        "azure-code": 382,
        "mooncake-conv": 3995,
    },
    "msgpack": {
        "chat-turn": 6,
        "agent-request": 239,
        "rag-request": 121,
        "image-request": 1027,
        "tool-call-response": 4,
        "chat-response": 4,
        "logprobs-response": 1553,
        "stream": 2,
        "embeddings": 1766,
        "token-ids": 1296,
        "azure-conv": 35,
        "azure-code": 34,
        "mooncake-conv": 311,
    },
    "protobuf": {
        "chat-turn": 18,
        "agent-request": 433,
        "rag-request": 168,
        "image-request": 2057,
        "tool-call-response": 11,
        "chat-response": 16,
        "logprobs-response": 1265,
        "stream": 9,
        "embeddings": 545,
        "token-ids": 1510,
        "azure-conv": 112,
        "azure-code": 79,
        "mooncake-conv": 628,
    },
    "flatbuffers": {
        "chat-turn": 12,
        "agent-request": 206,
        "rag-request": 165,
        "image-request": 2057,
        "tool-call-response": 13,
        "chat-response": 9,
        "logprobs-response": 759,
        "stream": 13,
        "embeddings": 210,
        "token-ids": 989,
        "azure-conv": 40,
        "azure-code": 38,
        "mooncake-conv": 346,
    },
    "msgspec-json": {
        "chat-turn": 7,
        "agent-request": 199,
        "rag-request": 165,
        "image-request": 1028,
        "tool-call-response": 4,
        "chat-response": 6,
        "logprobs-response": 753,
        "stream": 2,
        "embeddings": 1588,
        "token-ids": 1017,
        "azure-conv": 39,
        "azure-code": 39,
        "mooncake-conv": 362,
    },
    "msgspec-msgpack": {
        "chat-turn": 6,
        "agent-request": 193,
        "rag-request": 123,
        "image-request": 1027,
        "tool-call-response": 3,
        "chat-response": 4,
        "logprobs-response": 708,
        "stream": 2,
        "embeddings": 1588,
        "token-ids": 1017,
        "azure-conv": 36,
        "azure-code": 35,
        "mooncake-conv": 311,
    },
    "flatbuffers-official": {
        "chat-turn": 72,
        "agent-request": 240,
        "rag-request": 166,
        "image-request": 2071,
        "tool-call-response": 56,
        "chat-response": 10,
        "logprobs-response": 809,
        "stream": 32,
        "embeddings": 230,
        "token-ids": 1023,
        "azure-conv": 42,
        "azure-code": 42,
        "mooncake-conv": 348,
    },
    "json-base64": {
        "embeddings": 523,
    },
    "orjson-base64": {
        "embeddings": 3366,
    },
    "msgspec-json-base64": {
        "embeddings": 472,
    },
    "msgpack-bin": {
        "embeddings": 206,
    },
    "msgspec-msgpack-bin": {
        "embeddings": 205,
    },
}
"""Family → workload → measured peak of decoding its messages one after the other."""


def limited(codec: str, workload: str) -> Any:
    """Return a case and its limit; a codec or workload that has no measured peak yet is a KeyError at collection."""
    peak = PEAK_KIB[codec.removesuffix("-fresh").removesuffix("-unverified")][workload]
    return pytest.param(codec, workload, marks=pytest.mark.limit_memory(f"{2 * peak + ARENA_KIB} KB"))


@pytest.fixture
def warm(codec: str, workload: str) -> tuple[Any, list[bytes]]:
    """Return decoder and bytes after a first pass: a fixture is made before the tracker starts."""
    decode, data = open_codec(codec, workloads.kind(workload)).decode, encoded(codec, workload)
    for one in data:
        decode(one)
    return decode, data


@pytest.mark.parametrize(("codec", "workload"), [limited(codec, workload) for codec, workload in CASES])
def test_decode_stays_under_its_peak(codec: str, workload: str, warm: tuple[Any, list[bytes]]) -> None:
    """Every message is decoded and dropped."""
    decode, data = warm
    for one in data:
        decode(one)
