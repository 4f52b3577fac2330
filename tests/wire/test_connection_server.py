"""What a connection costs: the experiment, and the client that makes connections by hand."""

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from serlab.cases import call_place
from serlab.errors import ServiceError
from serlab.measure.interleave import Arm
from serlab.measure.job import Figure, read_record, written
from serlab.measure.wire import METRICS
from serlab.wire import Addresses, Settings, spawned
from serlab.wire.dialling import Dialler, Request
from serlab.wire.experiments.connection import ROUND_TRIPS, arms_of, request_of
from serlab.wire.handshakes import shake
from serlab.wire.timeouts import TlsVersion, tls_context
from serlab.workloads import build
from tests.support.jobs import all_of, figures_of, wire_job
from tests.wire.helpers import PATH

JOB = wire_job("connection", gc="frozen")
Found = dict[tuple[str, str, str], float]


@pytest.fixture(scope="module")
def rows() -> list[Figure]:
    """Run the experiment once, in a process that may stop collecting garbage: a worker's."""
    code = "import sys\nfrom serlab.measure import read_job, written\nfrom serlab.wire.experiments import run\n"
    code += "run(read_job(sys.stdin.buffer.read()), lambda record: sys.stdout.buffer.write(written(record)))"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, input=written(JOB), capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    return all_of(Figure, map(read_record, done.stdout.splitlines()))


@pytest.fixture(scope="module")
def found(rows: list[Figure]) -> Found:
    """Return the figures by protocol and distance, arm and metric."""
    figures = figures_of(rows).items()
    return {(name.removeprefix("wire/connection/"), *arm): value for (name, *arm), value in figures}


def expected() -> Iterator[tuple[str, str, str]]:
    """List what the experiment promises."""
    for protocol, trips in ROUND_TRIPS.items():
        for arm in (*trips, "kept (A/A)"):
            for distance in (0, 5, 25):
                yield f"{protocol}/rtt={distance}ms", arm, "latency"
            for distance in (5, 25):
                yield f"{protocol}/rtt={distance}ms", arm, "round-trips"
        for arm in trips:
            for distance in (5, 25):
                for metric in ("latency", "round-trips"):
                    yield f"{protocol}/rtt={distance}ms", f"formula: {arm}", metric


def test_every_promised_figure_is_there_once(rows: list[Figure], found: Found) -> None:
    """In known units, and none beside them."""
    assert set(found) == set(expected()) and len(rows) == len(found)
    assert all(row.unit == METRICS[row.metric] for row in rows)
    assert {(row.workload, row.message) for row in rows} == {("chat-turn", "ChatRequest")}


@pytest.mark.parametrize("protocol", ROUND_TRIPS)
def test_call_takes_as_many_round_trips_as_the_standards_say_or_longer(protocol: str, found: Found) -> None:
    """The delay of each is a lower bound on any machine; the medians without delay may be off by a little."""
    for arm, trips in ROUND_TRIPS[protocol].items():
        for distance in (5, 25):
            place = f"{protocol}/rtt={distance}ms"
            assert found[place, arm, "latency"] >= trips * distance * 1e6
            assert found[place, f"formula: {arm}", "round-trips"] == trips
            predicted = found[f"{protocol}/rtt=0ms", arm, "latency"] + trips * distance * 1e6
            assert found[place, f"formula: {arm}", "latency"] == pytest.approx(predicted)


def test_measured_round_trips_follow_from_the_latencies(found: Found) -> None:
    """Beyond the same arm without delay; the second measurement of the baseline beyond the first."""
    for protocol in ROUND_TRIPS:
        for arm in (*ROUND_TRIPS[protocol], "kept (A/A)"):
            near = found[f"{protocol}/rtt=0ms", arm.removesuffix(" (A/A)"), "latency"]
            far = found[f"{protocol}/rtt=25ms", arm, "latency"]
            assert found[f"{protocol}/rtt=25ms", arm, "round-trips"] == pytest.approx((far - near) / 25e6)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_formula_counts_the_flights_that_a_handshake_has(version: TlsVersion) -> None:
    """Counted in memory: one round trip for TCP, one for the request, and what TLS waits for."""
    with spawned(Settings(tokens=1)) as addresses:
        full = shake(addresses.https, addresses.ca_file, version)
        resumed = shake(addresses.https, addresses.ca_file, version, full)
    trips = ROUND_TRIPS[f"tls{version}"]
    assert (full.reused, resumed.reused) == (False, True)
    assert (trips["new"], trips["resumed"]) == (2 + full.waits, 2 + resumed.waits)


def test_request_is_small_whole_and_the_workloads() -> None:
    """The first message of the workload, answered with one token; the workload's own stays as it was."""
    request = request_of(JOB)
    asked = json.loads(request.data)
    assert asked["max_tokens"] == 1 and "stream" not in asked and request.path == PATH
    assert len(asked["messages"]) == len(build("chat-turn", 1)[0].messages)


@pytest.fixture(scope="module")
def addresses() -> Iterator[Addresses]:
    """Run a server."""
    with spawned(Settings(tokens=1)) as found:
        yield found


def dialler(addresses: Addresses, version: TlsVersion, path: str = PATH) -> Dialler:
    """Make a client that speaks one version of TLS."""
    request = Request(path, request_of(JOB).data, {"content-type": "application/json"})
    return Dialler(addresses.https, request, tls_context(addresses.ca_file, version))


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_arms_do_what_they_are_called(addresses: Addresses, version: TlsVersion) -> None:
    """New handshakes are full, resumed ones are not, and a kept connection stays the same."""
    near = dialler(addresses, version)
    kept = near.dial()
    place = call_place("connection", protocol="tcp")
    arms = {str(arm.name.case): arm for arm in arms_of(place, near, near, kept) if not arm.name.case.is_again}
    assert list(arms) == ["kept", "new", "resumed"]
    sock = kept.sock
    for _ in range(3):
        arms["kept"].call(kept)
        assert kept.sock is sock
        assert not secure(arms["new"].call(prepared(arms["new"]))).session_reused
        assert secure(arms["resumed"].call(prepared(arms["resumed"]))).session_reused
    kept.close()
    near.hang_up()
    assert near.left == []


def prepared(arm: Arm) -> Any:
    """Make what a call of an arm is given."""
    assert arm.fresh is not None
    return arm.fresh(arm.items[0])


def secure(connection: Any) -> ssl.SSLSocket:
    """Return a connection's socket."""
    assert isinstance(connection.sock, ssl.SSLSocket)
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    return connection.sock


def test_session_that_was_used_up_is_an_error_and_no_figure(addresses: Addresses) -> None:
    """A ticket of TLS 1.3 is good once: the second handshake would be a full one under the wrong name."""
    client = dialler(addresses, "1.3")
    session = client.session()
    client.call(session)
    with pytest.raises(ServiceError, match="expected a resumed handshake, got a full one"):
        client.call(session)
    client.hang_up()


def test_refusal_is_an_error(addresses: Addresses) -> None:
    """An answer that came soon because it is none is not timed."""
    client = dialler(addresses, "1.2", "/v1/nothing")
    with pytest.raises(ServiceError, match="expected an answer with status 200, got 404"):
        client.call()
    client.hang_up()


def test_kept_connection_that_was_closed_is_not_opened_again(addresses: Addresses) -> None:
    """`http.client` would, unless it is told not to; the figure would be that of another arm."""
    client = dialler(addresses, "1.2")
    kept = client.dial()
    client.ask(kept)
    kept.close()
    with pytest.raises(ServiceError, match="expected an answer, got NotConnected"):
        client.ask(kept)


def test_server_without_tls_or_trust_is_one_clear_error(addresses: Addresses) -> None:
    """And so is nobody, and an address without a port."""
    context = tls_context(addresses.ca_file, "1.3")
    request = Request(PATH, b"{}", {})
    for client in (
        Dialler(addresses.http, request, context),
        Dialler(addresses.https, request, tls_context("", "1.3")),
    ):
        with pytest.raises(ServiceError, match="expected a connection, got"):
            client.dial()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = Dialler(f"127.0.0.1:{listener.getsockname()[1]}", request)
    with pytest.raises(ServiceError, match="got ConnectionRefusedError"):
        nobody.dial()
    with pytest.raises(ServiceError, match="address: expected host:port"):
        Dialler("127.0.0.1", request)


def test_server_that_gives_no_answer_is_an_error() -> None:
    """It closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        client = Dialler(f"127.0.0.1:{listener.getsockname()[1]}", Request(PATH, b"{}", {}))
        with pytest.raises(ServiceError, match="expected an answer, got"):
            client.call()
        client.hang_up()
        thread.join()
