"""Reused buffers, Packers and Builders against fresh ones, and pools that lend them.

The rule of ownership: who takes an object from a pool owns it until it is given back, and nobody else has it meanwhile.
When it is given back, nothing may refer to it any more: no view, no slice that shares its memory, no transport that has
yet to send it. Who needs the bytes for longer copies them, or hands the lease on with them, and then the last one gives
it back. The next owner writes over what is in it; a reader that broke the rule sees another's message, mostly without
an error. A `bytearray` that still has views is found out when it is given back; who holds the object itself is not.

- `Pool`, `LockedPool`, `QueuePool`: each for one event loop or several threads; `WaitingPool`: a fixed number of
  objects, for which a task waits.
- `buffers`, `packers`, `builders`: pools of these. There is none of protobuf messages: the experiment `pooling` shows
  why.
- `CountingLock`, `Ticket`: numbers that no two callers get.

What they gain is measured by `serlab.wire.experiments.pooling`.
"""

from typing import TYPE_CHECKING

from serlab.doors import front_door
from serlab.wire.pools.pool import (
    CountingLock,
    Lease,
    LockedPool,
    Pool,
    QueuePool,
    Ticket,
    WaitingPool,
    buffers,
    builders,
    packers,
)

if TYPE_CHECKING:
    from serlab.wire.pools.pool import FIRST_BYTES

__getattr__ = front_door(__name__)

__all__ = [
    "FIRST_BYTES",
    "CountingLock",
    "Lease",
    "LockedPool",
    "Pool",
    "QueuePool",
    "Ticket",
    "WaitingPool",
    "buffers",
    "builders",
    "packers",
]
