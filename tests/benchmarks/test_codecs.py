"""The benchmark suite: every codec × workload × encode, decode, read-one, by pytest-benchmark.

`make bench` times them and writes benchmarks.json; `make test` runs each once. The objects are the harness's own:
messages from `workloads.build`, codecs from `open_codec`, readers from `workloads.read_one`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from serlab import workloads
from serlab.codecs import codec_info, codec_names, open_codec
from serlab.measure.inputs import read_field
from serlab.measure.options import VARIANT_KIND
from serlab.measure.parity import check
from serlab.messages import to_document

pytestmark = pytest.mark.slow

CASES = [
    (codec, workload)
    for workload in workloads.names()
    for codec in codec_names()
    if not codec_info(codec).vectors or workloads.kind(workload) == VARIANT_KIND
]
cases = pytest.mark.parametrize(("codec", "workload"), CASES)


@cache
def messages(workload: str) -> list[Any]:
    """Build a workload once."""
    return workloads.build(workload)


@cache
def encoded(codec: str, workload: str) -> list[bytes]:
    """Encode a workload once, and check parity before anything is timed."""
    kind = workloads.kind(workload)
    outcomes = [check(codec, kind, message, to_document(message)) for message in messages(workload)]
    assert {outcome.outcome for outcome in outcomes} == {"equal"}, outcomes[0].reason
    return [outcome.data for outcome in outcomes]


def over(call: Callable[[Any], Any], items: list[Any]) -> Callable[[], None]:
    """Call a function with every item."""

    def run() -> None:
        for item in items:
            call(item)

    return run


def describe(benchmark: BenchmarkFixture, codec: str, workload: str, operation: str) -> None:
    """Group by operation and workload, and say what was measured."""
    data = encoded(codec, workload)
    benchmark.group = f"{operation}/{workload}"
    benchmark.extra_info |= {"codec": codec, "version": codec_info(codec).version, "workload": workload}
    benchmark.extra_info |= {"operation": operation, "messages": len(data), "bytes": sum(map(len, data))}


@cases
def test_encode(benchmark: BenchmarkFixture, codec: str, workload: str) -> None:
    """Every message of the workload becomes bytes."""
    describe(benchmark, codec, workload, "encode")
    benchmark(over(open_codec(codec, workloads.kind(workload)).encode, messages(workload)))


@cases
def test_decode(benchmark: BenchmarkFixture, codec: str, workload: str) -> None:
    """Every message of the workload is read whole."""
    describe(benchmark, codec, workload, "decode")
    benchmark(over(open_codec(codec, workloads.kind(workload)).decode, encoded(codec, workload)))


@cases
def test_read_one(benchmark: BenchmarkFixture, codec: str, workload: str) -> None:
    """Every message is opened and one field is read."""
    describe(benchmark, codec, workload, "read-one")
    kind = workloads.kind(workload)
    opened, reader = open_codec(codec, kind).open, workloads.read_one(kind)
    benchmark(over(lambda data: read_field(opened, reader, data), encoded(codec, workload)))
