"""HTTP/1.1, HTTP/2 and TLS, as they are negotiated."""

import asyncio
import socket
import ssl

import httpx2
import pytest

from serlab.errors import ServiceError
from serlab.wire import Settings, running
from serlab.wire.connections import reserved
from tests.wire.helpers import CHAT, PATH, bounded, client, trust


@pytest.mark.parametrize(("http2", "version"), [(True, "HTTP/2"), (False, "HTTP/1.1")])
def test_tls_client_gets_the_protocol_it_offers(http2: bool, version: str) -> None:
    """By ALPN, on one port."""

    async def work() -> None:
        async with running() as server:
            verify = trust(server.addresses)
            async with httpx2.AsyncClient(verify=verify, http2=http2, trust_env=False) as http:
                answers = [await http.post(server.addresses.https + PATH, json=CHAT) for _ in range(3)]
            assert {answer.http_version for answer in answers} == {version}
            assert {answer.status_code for answer in answers} == {200}

    bounded(work())


def test_cleartext_http2_by_prior_knowledge() -> None:
    """The port without TLS speaks both."""

    async def work() -> None:
        async with running() as server, client(server, http1=False, http2=True) as http:
            assert (await http.post(PATH, json=CHAT)).http_version == "HTTP/2"

    bounded(work())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_version_is_accepted(version: ssl.TLSVersion) -> None:
    """And the protocol is agreed on in the handshake."""

    async def work() -> None:
        async with running() as server:
            context = trust(server.addresses)
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(["h2", "http/1.1"])
            port = int(server.addresses.https.rpartition(":")[2])
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            found = writer.get_extra_info("ssl_object")
            assert (found.version(), found.selected_alpn_protocol()) == (version.name.replace("_", "."), "h2")
            writer.close()
            await writer.wait_closed()

    bounded(work())


def test_client_that_trusts_nobody_is_not_connected() -> None:
    """The certificate is the server's own."""

    async def work() -> None:
        async with running() as server, httpx2.AsyncClient(trust_env=False, verify=True) as http:
            with pytest.raises(httpx2.ConnectError):
                await http.get(f"{server.addresses.https}/stats")

    bounded(work())


@pytest.mark.parametrize("http2", [False, True])
def test_long_request_goes_up_whole(http2: bool) -> None:
    """Longer than the windows of HTTP/2."""

    async def work() -> None:
        long = {**CHAT, "messages": [{"role": "user", "content": "x" * 3_000_000}]}
        async with running() as server, client(server, http1=not http2, http2=http2) as http:
            answer = await http.post(PATH, json=long)
            assert answer.json()["usage"]["prompt_tokens"] > 700_000

    bounded(work())


def test_many_requests_at_once_over_one_connection() -> None:
    """HTTP/2 carries them side by side."""

    async def work() -> None:
        async with running(Settings(tokens=3)) as server, client(server, http1=False, http2=True) as http:
            answers = await asyncio.gather(*(http.post(PATH, json={**CHAT, "user": str(i)}) for i in range(80)))
            assert len({answer.json()["id"] for answer in answers}) == 80
            assert server.stats.completed == 80 and server.stats.active == 0

    bounded(work())


def test_port_that_is_taken_is_refused() -> None:
    """Rather than shared, which SO_REUSEPORT would allow."""

    async def work() -> None:
        async with running() as server:
            port = int(server.addresses.http.rpartition(":")[2])
            grpc_port = int(server.addresses.grpc.rpartition(":")[2])
            for settings in (Settings(http_port=port), Settings(grpc_port=grpc_port)):
                with pytest.raises(ServiceError, match="choose another"):
                    async with running(settings):
                        pass

    bounded(work())


def test_reserved_port_is_nobody_elses() -> None:
    """Until the server has it."""
    with reserved("127.0.0.1", 0) as port, socket.socket() as other, pytest.raises(OSError):
        other.bind(("127.0.0.1", port))


def test_only_loopback_is_listened_on() -> None:
    """Unless it is asked for by name."""
    with pytest.raises(ServiceError, match="loopback"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", exposed=True).host == "0.0.0.0"
