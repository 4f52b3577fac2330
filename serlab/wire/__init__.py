"""The smallest complete LLM call path: a model server with a stated latency, over HTTP, TLS and gRPC on loopback.

    async with running(Settings(latency=Latency(first_token_s=0.2, token_s=0.02))) as server: ...
    with spawned(Settings(faults=Faults(error=0.1))) as addresses: ...

It is an instrument, made of well-kept parts: granian serves HTTP/1.1, HTTP/2 and TLS, starlette routes, grpc.aio serves
gRPC, trustme makes the certificates. `docs/service.md` tells how to use it.

The extra `service` brings what it needs. Without it this package can be imported, since parts of it start no server
(`serlab.wire.pools`); the names of this page then raise `MissingPackageError`.
"""

import os
from typing import TYPE_CHECKING, Any

from serlab.errors import MissingPackageError

if TYPE_CHECKING:
    from serlab.measure import Emit, Job

INSTALL = "pip install 'serlab[service]'"

# grpc writes to the terminal what the other side says, control characters and all; it asks when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

try:
    from serlab.wire.api_errors import Stats
    from serlab.wire.model import Engine
    from serlab.wire.process import spawned
    from serlab.wire.server import ModelServer, run_until_signal, running
    from serlab.wire.settings import Addresses, Faults, Latency, Settings
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"granian", "starlette", "grpc", "trustme"}:
        raise
    missing = error

    def __getattr__(name: str) -> Any:
        """Raise for each name that needs the extra."""
        if name in __all__:
            raise MissingPackageError(f"serlab.wire needs {missing.name}: {INSTALL}") from missing
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def run_experiment(job: "Job", emit: "Emit") -> None:
    """Run an experiment of `serlab wire`, see `serlab.wire.experiments`."""
    from serlab.wire import experiments

    experiments.run(job, emit)


__all__ = [
    "Addresses",
    "Engine",
    "Faults",
    "Latency",
    "ModelServer",
    "Settings",
    "Stats",
    "run_experiment",
    "run_until_signal",
    "running",
    "spawned",
]
