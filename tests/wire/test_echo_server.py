"""A message goes to the server and comes back, in every codec over every transport; and the experiment made of that."""

import json

import aiohttp
import pytest

from serlab import workloads
from serlab.codecs import codec_info, verifying_codecs
from serlab.errors import ServiceError
from serlab.measure.job import Figure, Finding, Record
from serlab.wire import Addresses, running, spawned
from serlab.wire.clients import RefusedError
from serlab.wire.echo import Echo
from serlab.wire.experiments import run, transport
from tests.conftest import WIRE_CODECS
from tests.support.jobs import all_of, wire_job
from tests.wire.clienthelpers import opened
from tests.wire.helpers import bounded

INSTALLED = [name for name in verifying_codecs() if codec_info(name).version]


@pytest.mark.parametrize("arm", transport.TRANSPORTS)
def test_message_comes_back_equal_in_every_codec(arm: str) -> None:
    """Over gRPC too, which carries bytes here; and bytes come back as they are."""

    async def work(addresses: Addresses) -> None:
        async with opened(arm, addresses) as way:
            for workload in ("chat-turn", "embeddings"):
                for codec in INSTALLED:
                    echo = Echo(way, workloads.kind(workload), codec)
                    message = workloads.build(workload)[0]
                    assert await echo.call(message) == message
                    assert await echo.call_in_thread(message) == message
            assert await echo.plain(b"\x00\xff no message") == b"\x00\xff no message"

    with spawned() as addresses:
        bounded(work(addresses))


@pytest.mark.parametrize("arm", transport.TRANSPORTS)
def test_message_that_cannot_be_decoded_is_refused(arm: str) -> None:
    """As 400, or what gRPC has for it, with the codec's own words."""

    async def work() -> None:
        async with running() as server, opened(arm, server.addresses) as way:
            echo = Echo(way, "ChatRequest", "msgpack")
            with pytest.raises(RefusedError, match=r"ChatRequest|msgpack") as caught:
                await echo.coded(b"\xc1")
            assert caught.value.status == 400

    bounded(work())


@pytest.mark.parametrize("kind", ["", "Nonsense"])
def test_unknown_kind_is_refused(kind: str) -> None:
    """A message without its kind cannot be read."""

    async def work() -> None:
        async with running() as server, aiohttp.ClientSession(server.addresses.http) as session:
            headers = {"content-type": "application/json", "x-serlab-kind": kind}
            async with session.post("/echo", data=b"{}", headers=headers) as answer:
                assert answer.status == 400 and "ChatRequest" in json.loads(await answer.read())["error"]["message"]

    bounded(work())


def test_transport_experiment_gives_each_codec_with_its_bytes_on_every_transport() -> None:
    """The baseline twice, in each group; the small message also eight at a time; processor shares for all."""
    found: list[Record] = []
    run(wire_job("transport", codecs=WIRE_CODECS), found.append)
    rows = all_of(Figure, found)
    for name in transport.TRANSPORTS:
        for calls in (1, 8) if name in transport.AT_ONCE_BY else (1,):
            operation = f"wire/transport/{name}/inflight={calls}"
            arms = {str(row.case) for row in rows if row.place.name == operation and row.metric == "latency"}
            assert arms == {*WIRE_CODECS, *(f"floor: bytes of {codec}" for codec in WIRE_CODECS), "orjson (A/A)"}
    assert all(row.value > 0 for row in rows if row.metric == "latency")
    shares = [row.value for row in rows if row.metric == "client-cpu"]
    sizes = {str(row.case): row.value for row in rows if row.metric == "body-bytes"}
    assert len(shares) * 2 == len(rows) - len(sizes) and all(0 <= share < 4 for share in shares)
    assert sizes["protobuf"] < sizes["orjson"] == sizes["orjson (A/A)"]


def test_codec_that_trusts_its_bytes_is_left_out_and_told() -> None:
    """The others are timed; where none is left, the error says what to add."""
    found: list[Record] = []
    run(wire_job("transport", codecs=("orjson", "flatbuffers-unverified")), found.append)
    assert [(one.codec, one.outcome) for one in all_of(Finding, found)] == [("flatbuffers-unverified", "refused")]
    assert not any("unverified" in one.codec for one in all_of(Figure, found))
    with pytest.raises(ServiceError, match="flatbuffers-official; add orjson"):
        run(wire_job("cache", codecs=("flatbuffers-official",)), found.append)


def test_large_messages_are_sent_one_at_a_time() -> None:
    """Several of them would measure memory."""
    found: list[Record] = []
    run(wire_job("transport", "embeddings", ("orjson", "protobuf")), found.append)
    timed = [one.place.name for one in all_of(Figure, found) if one.metric == "latency"]
    assert {operation.rpartition("/")[2] for operation in timed} == {"inflight=1"}
