"""grpc.aio with the model server's service, on a port without TLS and on one with it."""

from typing import Any

import grpc

from serlab.errors import ServiceError
from serlab.service.bounds import MAX_HEADER_BYTES, MAX_STREAMS, grpc_listener
from serlab.service.echo import grpc_handler
from serlab.service.engine import Engine
from serlab.service.grpcpeers import Watched
from serlab.service.grpcserver import Service
from serlab.service.peers import Peers
from serlab.service.settings import MAX_BODY_BYTES, Settings
from serlab.service.tls import Certificates

OPTIONS: list[tuple[str, int]] = [
    # Without it a second server on a port that is taken would start, and get every second call.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_BODY_BYTES),
    ("grpc.max_send_message_length", MAX_BODY_BYTES),
    # None but identity: a message is unpacked before its length is looked at, and 64 kB of gzip may be 64 MB of zeros.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # Without a number, grpc takes calls that are begun and reset at any rate, and refuses those of others (CANCELLED)
    # when 1,000 wait for Python: half of a good client's failed beside four connections that did so.
    ("grpc.max_concurrent_streams", MAX_STREAMS),
    ("grpc.max_metadata_size", MAX_HEADER_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_HEADER_BYTES),
]


def bounded(peers: Peers) -> list[tuple[str, int]]:
    """Give grpc's own options for the bounds that it keeps by itself."""
    bounds = peers.bounds
    return [
        *OPTIONS,
        ("grpc.max_allowed_incoming_connections", grpc_listener(peers.table)),
        ("grpc.max_connection_idle_ms", round(1000 * bounds.idle_s)),
        ("grpc.server_handshake_timeout_ms", round(1000 * bounds.first_request_s)),
    ]


async def start_grpc(engine: Engine, settings: Settings, certificates: Certificates) -> tuple[Any, str, str]:
    """Start the gRPC server.

    Returns:
        The server, and host:port without TLS and with it.

    Raises:
        ServiceError: a port cannot be had.
    """
    server = grpc.aio.server(options=bounded(engine.peers), maximum_concurrent_rpcs=settings.bounds.requests)
    handlers = (Service(engine).handler(), grpc_handler(engine.heavy))
    server.add_generic_rpc_handlers(tuple(Watched(handler, engine.peers) for handler in handlers))
    credentials = grpc.ssl_server_credentials([(certificates.private, certificates.chain.read_bytes())])
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        plain = server.add_insecure_port(f"{host}:{settings.grpc_port}")
        secure = server.add_secure_port(f"{host}:{settings.grpcs_port}", credentials)
    except RuntimeError as error:
        ports = f"{settings.grpc_port} or {settings.grpcs_port}"
        raise ServiceError(f"gRPC cannot listen on port {ports} of {host}; choose another, or 0") from error
    await server.start()
    engine.peers.ports |= {plain, secure}
    return server, f"{host}:{plain}", f"{host}:{secure}"
