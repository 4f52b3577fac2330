"""Connections, as the server's side counts them; names; TLS."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from serlab.errors import ServiceError
from serlab.wire import Latency, Settings, running, spawned
from serlab.wire.clients import Client, ClientSettings, Pool, open_transport, shake
from tests.wire.clienthelpers import PROMPT, opened, relayed
from tests.wire.helpers import bounded

ADDRESS = {
    "http": "http",
    "https": "https",
    "httpx2": "http",
    "httpx2-tls": "https",
    "http2": "http",
    "http2-tls": "https",
    "grpc": "grpc",
    "grpc-tls": "grpcs",
}


async def connections(arm: str, pool: Pool, at_once: int, rounds: int, pause_s: float = 0.0) -> tuple[int, int, int]:
    """Make calls; give the connections that came in all, the most at once, and those that the client counts."""
    settings = Settings(latency=Latency(first_token_s=0.05))
    async with running(settings) as server, relayed(server.addresses, ADDRESS[arm]) as (addresses, relay):
        # The relay's port is not the server's, but the certificate names the host only.
        async with opened(arm, addresses, ClientSettings(pool)) as transport:
            client = Client(transport, "GenerateRequest", "protobuf")
            for _ in range(rounds):
                await asyncio.gather(*(client.call(PROMPT) for _ in range(at_once)))
                await asyncio.sleep(pause_s)
            assert server.stats.completed == at_once * rounds
        return relay.accepted, relay.most, transport.opened


@pytest.mark.parametrize("arm", ADDRESS)
def test_connection_is_used_again(arm: str) -> None:
    """Five calls one after another need one connection."""
    assert bounded(connections(arm, Pool(), 1, 5)) == (1, 1, 1)


@pytest.mark.parametrize("arm", ADDRESS)
def test_new_connection_with_every_call(arm: str) -> None:
    """Without keep-alive, five calls need five, one at a time."""
    accepted, most, counted = bounded(connections(arm, Pool(keep_alive=False), 1, 5))
    assert accepted == counted == 5 and most <= 2


@pytest.mark.parametrize("arm", ["http", "https", "httpx2"])
def test_pool_opens_no_more_than_its_size(arm: str) -> None:
    """Twelve calls at once share three connections; with room, they have twelve."""
    assert bounded(connections(arm, Pool(size=3), 12, 2)) == (3, 3, 3)
    assert bounded(connections(arm, Pool(size=50), 12, 2)) == (12, 12, 12)


def test_limit_per_host_is_kept() -> None:
    """It is aiohttp's; others refuse it."""
    assert bounded(connections("http", Pool(per_host=2), 8, 2)) == (2, 2, 2)
    with pytest.raises(ServiceError, match="per_host"):
        bounded(connections("httpx2", Pool(per_host=2), 1, 1))


@pytest.mark.parametrize("arm", ["http2", "http2-tls", "grpc", "grpc-tls"])
def test_one_connection_carries_calls_side_by_side(arm: str) -> None:
    """Forty at once."""
    assert bounded(connections(arm, Pool(), 40, 1)) == (1, 1, 1)


@pytest.mark.parametrize("arm", ["http", "httpx2", "http2"])
def test_idle_connection_is_given_up_in_time(arm: str) -> None:
    """The second call comes later than that, and needs a new one."""
    assert bounded(connections(arm, Pool(idle_s=0.2), 1, 2, pause_s=0.5))[0] == 2
    assert bounded(connections(arm, Pool(idle_s=600), 1, 2, pause_s=0.5))[0] == 1


def test_channels_of_grpc_share_no_connection() -> None:
    """Two clients in one process are two connections, as with HTTP."""

    async def work() -> None:
        async with running() as server, relayed(server.addresses, "grpc") as (addresses, relay):
            for _ in range(2):
                async with opened("grpc", addresses) as first, opened("grpc", addresses) as second:
                    for transport in (first, second):
                        await Client(transport, "GenerateRequest", "protobuf").call(PROMPT)
            assert relay.accepted == 4

    bounded(work())


@pytest.mark.parametrize(("cache_s", "lookups"), [(10.0, 1), (0.0, 4)])
def test_address_is_remembered(cache_s: float, lookups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cache, the name is looked up once for four connections."""

    async def work() -> None:
        asked = []
        async with running() as server:
            loop = asyncio.get_running_loop()
            usual = loop.getaddrinfo

            async def counted(host: Any, *rest: Any, **options: Any) -> Any:
                asked.append(host)
                return await usual(host, *rest, **options)

            monkeypatch.setattr(loop, "getaddrinfo", counted)
            addresses = replace(server.addresses, http=server.addresses.http.replace("127.0.0.1", "localhost"))
            settings = ClientSettings(Pool(keep_alive=False), dns_cache_s=cache_s)
            async with opened("http", addresses, settings) as transport:
                for _ in range(4):
                    await Client(transport, "GenerateRequest").call(PROMPT)
            assert asked.count("localhost") == lookups

    bounded(work())


ONLY_13 = bytes.fromhex("002b0003020304")
"""The extension of a ClientHello that offers TLS 1.3 and nothing else (RFC 8446, 4.2.1); without it, 1.2 is offered."""


@pytest.mark.parametrize("arm", ["https", "httpx2-tls", "http2-tls"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_client_offers_the_version_of_tls_that_is_asked(arm: str, version: Any) -> None:
    """As seen on the wire, and it gets an answer over it."""

    async def work() -> None:
        async with running() as server, relayed(server.addresses, "https") as (addresses, relay):
            async with opened(arm, addresses, ClientSettings(tls=version)) as transport:
                assert (await Client(transport, "GenerateRequest").call(PROMPT)).message.choices
            assert (ONLY_13 in relay.first) == (version == "1.3") and b"\x00\x2b\x00\x05" not in relay.first

    bounded(work())


def test_setting_that_a_transport_does_not_have_is_refused() -> None:
    """GRPC for Python cannot choose the version of TLS; no authority, no versions that are not there."""

    async def work() -> None:
        async with running() as server:
            with pytest.raises(ServiceError, match="gRPC"):
                open_transport("grpc-tls", server.addresses, ClientSettings(tls="1.3"))
            with pytest.raises(ServiceError, match="ca_file"):
                open_transport("https", server.addresses, ClientSettings(ca_file="nowhere.pem"))

    bounded(work())
    for wrong in ({"size": 0}, {"per_host": -1}, {"idle_s": 0}):
        with pytest.raises(ServiceError, match="pool"):
            Pool(**wrong)
    with pytest.raises(ServiceError, match="tls"):
        ClientSettings(tls="1.1")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["https", "grpcs"])
def test_session_is_resumed_and_saves_what_its_version_can(name: str) -> None:
    """TLS 1.2: one wait of two. TLS 1.3: no wait, but the certificate's bytes."""
    with spawned() as addresses:
        for version, waits in (("1.2", (2, 1)), ("1.3", (1, 1))):
            full = shake(getattr(addresses, name), addresses.ca_file, version, None, "h2")
            again = shake(getattr(addresses, name), addresses.ca_file, version, full, "h2")
            assert (full.version, again.version) == (f"TLSv{version}", f"TLSv{version}")
            assert (full.reused, again.reused) == (False, True) and (full.waits, again.waits) == waits
            assert again.received_bytes < full.received_bytes / 2


def test_ticket_of_the_http_server_is_good_once() -> None:
    """As the standard of TLS 1.3 wants it; one of TLS 1.2 is good again."""
    with spawned() as addresses:
        for version, reused in (("1.2", [True, True]), ("1.3", [True, False])):
            full = shake(addresses.https, addresses.ca_file, version)
            assert [shake(addresses.https, addresses.ca_file, version, full).reused for _ in range(2)] == reused


def test_handshake_with_nobody_is_one_clear_error() -> None:
    """Somebody who speaks no TLS, and somebody who is not trusted."""
    with spawned() as addresses, pytest.raises(ServiceError, match=r"expected TLS 1\.3"):
        shake(addresses.http.replace("http:", "https:"), addresses.ca_file, "1.3")
    with pytest.raises(ServiceError, match=r"expected TLS 1\.2"):
        shake(addresses.https, "", "1.2")
