"""Measuring by turns, the worker's side: the same as in `time`, but a round of batches only when it is our turn.

A worker says its process id on the socket that it inherited, and waits for a byte. From then on it has the machine,
until it says how many operations it has finished and waits for the next byte. When it is done it says -1 and waits
until the socket is closed. What it says are decimal numbers, one a line.
"""

import os
import socket
from contextlib import suppress
from typing import Any

from serlab.measure import time
from serlab.measure.load import Emit

PROTOCOL = 1
"""Goes up when what is said on the socket, a job or a record changes; both sides of a pair must have the same."""


DONE = -1


class Turns:
    """One worker's place among those that take turns."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.finished = 0

    def wait(self, word: int) -> None:
        """Say something and sleep until it is our turn.

        Raises:
            ConnectionError: the run is gone, or has given the pair up.
        """
        self.channel.sendall(f"{word}\n".encode())
        if not self.channel.recv(1):
            raise ConnectionError("the other worker of the pair is gone")

    def pass_on(self) -> None:
        """Let the others measure."""
        self.wait(self.finished)


def run(job: dict[str, Any], emit: Emit) -> None:
    """Time every operation of a workload by turns.

    Args:
        job: what `time.run` takes, and turns: the descriptor of the socket.
        emit: receives rows, findings and the batches for pyperf.
    """
    with socket.socket(fileno=job["turns"]) as channel:
        turns = Turns(channel)

        def watch(record: dict[str, Any]) -> None:
            turns.finished += "batches" in record
            emit(record)

        turns.wait(os.getpid())
        time.run(job, watch, turns.pass_on)
        # Ending a process takes the machine's time, so all end together: when the run closes the sockets.
        with suppress(ConnectionError):
            turns.wait(DONE)
