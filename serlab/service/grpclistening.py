"""grpc.aio with the model server's service, on a port without TLS and on one with it."""

from typing import Any

import grpc

from serlab.errors import ServiceError
from serlab.service.echo import grpc_handler
from serlab.service.engine import Engine
from serlab.service.grpcserver import Service
from serlab.service.settings import MAX_BODY_BYTES, Settings
from serlab.service.tls import Certificates

OPTIONS = [
    # Without it a second server on a port that is taken would start, and get every second call.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_BODY_BYTES),
    ("grpc.max_send_message_length", MAX_BODY_BYTES),
    # None but identity: a message is unpacked before its length is looked at, and 64 kB of gzip may be 64 MB of zeros.
    ("grpc.compression_enabled_algorithms_bitset", 1),
]


async def start_grpc(engine: Engine, settings: Settings, certificates: Certificates) -> tuple[Any, str, str]:
    """Start the gRPC server.

    Returns:
        The server, and host:port without TLS and with it.

    Raises:
        ServiceError: a port cannot be had.
    """
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((Service(engine).handler(), grpc_handler()))
    pair = (certificates.key.read_bytes(), certificates.chain.read_bytes())
    credentials = grpc.ssl_server_credentials([pair])
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        plain = server.add_insecure_port(f"{host}:{settings.grpc_port}")
        secure = server.add_secure_port(f"{host}:{settings.grpcs_port}", credentials)
    except RuntimeError as error:
        ports = f"{settings.grpc_port} or {settings.grpcs_port}"
        raise ServiceError(f"gRPC cannot listen on port {ports} of {host}; choose another, or 0") from error
    await server.start()
    return server, f"{host}:{plain}", f"{host}:{secure}"
