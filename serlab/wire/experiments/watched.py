"""What experiments with a client in one process and a server in another share: transports, and the client's share.

Client and server work at the same time, on a core each where there are two, so a figure is that of the slower half.
What share of a core the client used says which half that was: near 1 it is the client, and its library and codec set
the pace; well below it waited for the server or the kernel.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter_ns, process_time_ns
from typing import Any

from msgspec.structs import replace

from serlab.cases import CallArm
from serlab.measure import WARM_UP_BATCHES, Emit, Job
from serlab.wire.clients import Transport, open_transport
from serlab.wire.experiments.base import WireArm, row
from serlab.wire.settings import Addresses

PATIENCE = 3
"""How many times as long an arm is timed as a codec alone."""


class Watch:
    """Notes what processor time the client's process uses in each pass of each arm.

    Attributes:
        passes: arm's name → (processor time, time) of its passes, in ns; all threads of the process count.
    """

    def __init__(self) -> None:
        self.passes: dict[CallArm, list[tuple[int, int]]] = {}

    def over(self, arm: WireArm) -> WireArm:
        """Return the arm with the watch round its call; costs about a microsecond a pass."""
        found, call = self.passes.setdefault(arm.name, []), arm.call

        def watched(items: Any) -> Any:
            used, began = process_time_ns(), perf_counter_ns()
            answer = call(items)
            found.append((process_time_ns() - used, perf_counter_ns() - began))
            return answer

        return arm._replace(call=watched)

    def share(self, name: CallArm) -> float:
        """Return what share of one core the client used: the median of the passes that were timed."""
        return median(used / took for used, took in self.passes[name][WARM_UP_BATCHES:])

    def tell(self, job: Job, emit: Emit) -> None:
        """Send the row of each arm."""
        for name in self.passes:
            emit(row(job, name, "client-cpu", "share", self.share(name)))


def patient(job: Job) -> Job:
    """Set an arm's time to that of about as many batches as there are rounds: one call here is longer than a batch."""
    return replace(job, effort=job.effort._replace(arm_ns=PATIENCE * job.effort.arm_ns))


@contextmanager
def opened(runner: asyncio.Runner, addresses: Addresses, names: Iterable[str]) -> Iterator[dict[str, Transport]]:
    """Open transports in a runner's loop, and close them at the end.

    Args:
        runner: whose loop they live in.
        addresses: of the server.
        names: some of `serlab.wire.clients.TRANSPORTS`.

    Yields:
        Name → transport.
    """

    async def open_all() -> dict[str, Transport]:
        return {name: open_transport(name, addresses) for name in names}

    async def close_all() -> None:
        for transport in transports.values():
            await transport.close()

    transports = runner.run(open_all())
    try:
        yield transports
    finally:
        runner.run(close_all())
