"""The subcommand that runs the model server: serve.

Exit status: 0 when it was stopped by Ctrl-C or SIGTERM, 2 if it cannot start as asked.
"""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serlab.options import AsJson

if TYPE_CHECKING:
    from serlab.service import Addresses

Port = Annotated[int, typer.Option(metavar="PORT", help="0: a free one.")]
Ms = Annotated[float, typer.Option(metavar="MS")]
Share = Annotated[float, typer.Option(metavar="SHARE", help="Of the requests, 0 to 1.")]


def serve(
    http_port: Port = 0,
    https_port: Port = 0,
    grpc_port: Port = 0,
    grpcs_port: Port = 0,
    host: Annotated[str, typer.Option(metavar="HOST", help="Loopback, unless --exposed.")] = "127.0.0.1",
    exposed: Annotated[bool, typer.Option("--exposed", help="Listen beyond loopback, without access control.")] = False,
    seed: Annotated[int, typer.Option(help="Of answers and faults.")] = 0,
    tokens: Annotated[int, typer.Option(metavar="N", help="Length of an answer.")] = 128,
    dimensions: Annotated[int, typer.Option(metavar="N", help="Length of a vector.")] = 1536,
    first_token_ms: Ms = 0.0,
    token_ms: Ms = 0.0,
    batch_base_ms: Ms = 0.0,
    batch_item_ms: Ms = 0.0,
    batch_limit: Annotated[int, typer.Option(metavar="N", help="Items in a batch at most.")] = 64,
    busy: Annotated[bool, typer.Option("--busy", help="Spend these times as CPU on the event loop.")] = False,
    errors: Share = 0.0,
    rate_limits: Share = 0.0,
    stalls: Share = 0.0,
    cuts: Share = 0.0,
    stall_s: Annotated[float, typer.Option(metavar="S", help="Length of a stall.")] = 5.0,
    retry_after_s: Annotated[float, typer.Option(metavar="S", help="What a 429 asks for.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Run a model server on loopback, with a stated latency and seeded faults, until Ctrl-C or SIGTERM."""
    from serlab.service import Faults, Latency, Settings, run_until_signal

    times = (first_token_ms / 1e3, token_ms / 1e3, batch_base_ms / 1e3, batch_item_ms / 1e3)
    faults = Faults(errors, rate_limits, stalls, cuts, stall_s, retry_after_s)
    ports = (http_port, https_port, grpc_port, grpcs_port)
    latency = Latency(*times, batch_limit=batch_limit, busy=busy)
    settings = Settings(host, exposed, *ports, seed, tokens, dimensions, latency, faults)
    asyncio.run(run_until_signal(settings, lambda addresses: show(addresses, as_json)))


def show(addresses: "Addresses", as_json: bool) -> None:
    """Print where the server listens, at once, since whoever reads it may be waiting for it."""
    found: dict[str, Any] = asdict(addresses)
    lines = [json.dumps(found)] if as_json else [f"{name:<8} {where}" for name, where in found.items() if name != "pid"]
    print("\n".join(lines), flush=True)
