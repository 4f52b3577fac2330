"""The serlab command in a process of its own that need not load Python and its libraries anew.

A process loads what the commands load, once for a session, and forks for each command: the child has the folder, the
environment and the streams that it is given, and ends as an interpreter ends. What depends on how an interpreter
starts (its own variables, what the path shadows, a limit of memory) is for a process that is really started.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

LOADED = ("pandas", "pyarrow.parquet", "pyperf", "orjson", "rich.table", "serlab.cli", "serlab.report.tables")
"""What most commands load sooner or later."""

LENGTH = 8
"""Bytes of a request's length."""


class Commands:
    """The process that forks, as those who want a command see it."""

    def __init__(self) -> None:
        self.ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=Path(__file__).parents[2],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    def run(
        self, arguments: Sequence[str], cwd: Path, env: dict[str, str], timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end.

        Args:
            arguments: those of the command, without its name.
            cwd: the folder it runs in.
            env: the whole environment.
            timeout: seconds.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
            request = json.dumps({"arguments": list(arguments), "cwd": str(cwd), "env": env}).encode()
            socket.send_fds(self.ours, [len(request).to_bytes(LENGTH)], [out.fileno(), told.fileno()])
            self.ours.sendall(request)
            pid = int.from_bytes(self.receive(None))
            try:
                status = int.from_bytes(self.receive(timeout), signed=True)
            except TimeoutError as error:
                os.kill(pid, signal.SIGKILL)
                self.receive(None)
                raise subprocess.TimeoutExpired(["serlab", *arguments], timeout) from error
            texts = [self.text(stream) for stream in (out, told)]
        return subprocess.CompletedProcess(["serlab", *arguments], os.waitstatus_to_exitcode(status), *texts)

    def receive(self, timeout: float | None) -> bytes:
        """Read one number."""
        self.ours.settimeout(timeout)
        found = self.ours.recv(LENGTH, socket.MSG_WAITALL)
        if not found:
            raise EOFError(f"the process that runs the commands ended with {self.process.wait()}")
        return found

    def text(self, stream: IO[bytes]) -> str:
        """Read all that a command wrote."""
        stream.seek(0)
        return stream.read().decode().replace("\r\n", "\n")

    def close(self) -> None:
        """End the process."""
        self.ours.close()
        self.process.wait()


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork for each request; return in each child, with what it asks for, and with None at the end."""
    while True:
        head, streams, _, _ = socket.recv_fds(channel, LENGTH, 2)
        if not head:
            return None
        request: dict[str, Any] = json.loads(channel.recv(int.from_bytes(head), socket.MSG_WAITALL))
        pid = os.fork()
        if not pid:
            channel.close()
            for number, stream in enumerate(streams, 1):
                os.dup2(stream, number)
                os.close(stream)
            return request
        for stream in streams:
            os.close(stream)
        channel.sendall(pid.to_bytes(LENGTH))
        channel.sendall(os.waitpid(pid, 0)[1].to_bytes(LENGTH, signed=True))


def become(request: dict[str, Any]) -> None:
    """Be the command."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    given = filter(None, request["env"].get("PYTHONPATH", "").split(os.pathsep))
    # As Python does for a script: the folder of the script, then those of the variable, then its own.
    sys.path[:] = [str(Path(sys.executable).parent), *given, *(path for path in sys.path if path)]
    sys.argv[:] = [str(Path(sys.executable).with_name("serlab")), *request["arguments"]]


if __name__ == "__main__":
    from importlib import import_module

    for module in LOADED:
        import_module(module)
    wanted = serve(socket.socket(fileno=int(sys.argv[1])))
    if wanted is not None:
        become(wanted)
        from serlab.__main__ import main

        main()
