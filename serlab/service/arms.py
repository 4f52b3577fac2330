"""The transports by name, as an experiment lists them: one name is one library, protocol and security."""

from collections.abc import Callable
from dataclasses import replace

from serlab.errors import UnknownNameError
from serlab.service.aiohttpclient import AiohttpTransport
from serlab.service.clientsettings import ClientSettings
from serlab.service.grpcclient import GrpcTransport
from serlab.service.http2client import Http2Transport
from serlab.service.httpx2client import Httpx2Transport
from serlab.service.settings import Addresses
from serlab.service.transport import Transport

Opener = Callable[[Addresses, ClientSettings], Transport]
ARMS: dict[str, Opener] = {
    "http": lambda at, settings: AiohttpTransport(at.http, settings),
    "https": lambda at, settings: AiohttpTransport(at.https, settings),
    "httpx2": lambda at, settings: Httpx2Transport(at.http, settings),
    "httpx2-tls": lambda at, settings: Httpx2Transport(at.https, settings),
    "http2": lambda at, settings: Http2Transport(at.http, settings),
    "http2-tls": lambda at, settings: Http2Transport(at.https, settings),
    "grpc": lambda at, settings: GrpcTransport(at.grpc, settings),
    "grpc-tls": lambda at, settings: GrpcTransport(at.grpcs, settings, secure=True),
}
"""Name → what opens it. HTTP/1.1 is aiohttp's, the arm that costs least, unless httpx2 is named."""


def open_transport(arm: str, addresses: Addresses, settings: ClientSettings | None = None) -> Transport:
    """Open a transport to a model server; to be called in a running event loop.

    Args:
        arm: one of `ARMS`.
        addresses: of the server, whose own authority is trusted unless the settings name another.
        settings: None for the defaults.

    Raises:
        UnknownNameError: there is no such arm.
        ServiceError: a setting that the arm does not have.
    """
    if arm not in ARMS:
        raise UnknownNameError.of("arm", arm, ARMS)
    settings = settings or ClientSettings()
    return ARMS[arm](addresses, settings if settings.ca_file else replace(settings, ca_file=addresses.ca_file))
