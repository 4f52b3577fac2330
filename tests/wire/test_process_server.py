"""The server as a command and as a child."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from serlab.generated import llm_pb2_grpc
from serlab.scratch import OWNER
from serlab.wire import Latency, Settings, spawned
from tests.conftest import Run, moments
from tests.wire.helpers import CHAT, HANG_S, PATH, trust

STREAM = {**CHAT, "stream": True}
COMMAND = str(Path(sys.executable).with_name("serlab"))


def dies(pid: int) -> bool:
    """Return whether a process ends."""
    for _ in moments():
        if gone(pid):
            return True
        time.sleep(0.02)
    return False


def gone(pid: int) -> bool:
    """Return whether there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@contextmanager
def command(
    *options: str, environment: dict[str, str] | None = None
) -> Iterator[tuple["subprocess.Popen[bytes]", dict[str, Any]]]:
    """Run the command for a block; give its process and where it listens."""
    arguments = [COMMAND, "serve", "--json", *options]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, env={**os.environ, **(environment or {})}, **pipes) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def stopping_s(process: "subprocess.Popen[bytes]", number: signal.Signals) -> float:
    """Tell the command to stop; give the seconds until it has, which it does without a complaint."""
    assert process.stderr is not None
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(HANG_S) == 0
    took_s = time.monotonic() - began
    assert process.stderr.read() == b""
    return took_s


def frame(kind: int, payload: bytes) -> bytes:
    """Return a frame of HTTP/2 that is of the whole connection."""
    return len(payload).to_bytes(3, "big") + bytes((kind, 0, 0, 0, 0, 0)) + payload


def test_words_of_a_stranger_over_grpc_are_not_written_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A farewell (GOAWAY) may have any text; the answer to the ping behind it says that it was read."""
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    settings, farewell, ping = frame(4, b""), frame(7, bytes(7) + b"\x0b\x1b[31mfarewell\n"), frame(6, b"12345678")
    with command() as (process, addresses):
        host, _, port = addresses["grpc"].rpartition(":")
        with socket.create_connection((host, int(port)), HANG_S) as stranger:
            stranger.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + farewell + ping)
            found = b""
            while b"12345678" not in found:
                data = stranger.recv(65_536)
                assert data
                found += data
        stopping_s(process, signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """It prints where it listens, answers, and ends with status 0 and its folder gone.

    That takes less than a second where the machine is free for one.
    """
    for _ in moments():
        with command("--seed", "3", "--tokens", "5", "--token-ms", "1") as (process, found):
            assert httpx2.post(found["http"] + PATH, json=CHAT, trust_env=False, timeout=HANG_S).status_code == 200
            took_s = stopping_s(process, number)
            assert not Path(found["ca_file"]).exists()
        if took_s < 1:
            return
    pytest.fail(f"stopping took {took_s} s")


def test_command_stops_beside_a_reader_that_takes_nothing() -> None:
    """The connection is full and stays so; the server does not wait for it."""
    for _ in moments():
        with (
            command("--tokens", "1000000", "--host", "::1") as (process, found),
            httpx2.Client(trust_env=False, timeout=HANG_S) as http,
            http.stream("POST", found["http"] + PATH, json=STREAM),
        ):
            made = [0]
            while not made[-1] or len(made) < 3 or made[-1] != made[-3]:
                time.sleep(0.3)
                made.append(httpx2.get(found["http"] + "/stats", trust_env=False, timeout=HANG_S).json()["tokens"])
            took_s = stopping_s(process, signal.SIGTERM)
        if took_s < 3:
            return
    pytest.fail(f"stopping took {took_s} s")


BUSY = ("--busy", "--batch-base-ms", "600000", "--batch-limit", "1")
"""A model that computes on the event loop for ten minutes."""


def computing(pid: int, seconds: float = 0.3) -> bool:
    """Wait until a process has computed for a while since it was asked; tell whether it did."""
    before = cpu_s(pid)
    for _ in moments():
        if cpu_s(pid) - before > seconds:
            return True
        time.sleep(0.02)
    return False


def cpu_s(pid: int) -> float:
    """Read the CPU time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def besieged(found: dict[str, Any]) -> Iterator[None]:
    """Hold everything open that a server can have: idle connections, a stream, a call of gRPC, one that computes."""
    with ExitStack() as stack:
        for name in ("http", "https", "grpc", "grpcs"):
            for _ in range(8):
                port = int(found[name].rpartition(":")[2])
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        channel = stack.enter_context(grpc.insecure_channel(found["grpc"]))
        call = llm_pb2_grpc.LLMServiceStub(channel).Chat(iter(threading.Event().wait, None))  # type: ignore[no-untyped-call]
        stack.callback(call.cancel)
        for stream in (True, False):
            body = json.dumps({**CHAT, "stream": stream}).encode()
            head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            asking = socket.create_connection(("127.0.0.1", int(found["http"].rpartition(":")[2])))
            stack.enter_context(asking).sendall(head.encode() + body)
        yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_ends_within_three_seconds_whatever_it_computes(number: signal.Signals) -> None:
    """The event loop is not free for a moment; status 0, and the folder is gone."""
    for _ in moments():
        with command(*BUSY) as (process, found), besieged(found):
            assert computing(found["pid"])
            took_s = stopping_s(process, number)
            assert not Path(found["ca_file"]).parent.exists()
        if took_s < 3:
            return
    pytest.fail(f"stopping took {took_s} s")


def test_command_ends_within_three_seconds_of_the_dearest_requests() -> None:
    """As many at once as there are places for; the processes that compute for them end as well."""
    dearest = json.dumps({"model": "m", "input": ["t"] * 2048, "dimensions": 2048}).encode()
    head = f"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: {len(dearest)}\r\n\r\n".encode()
    for _ in moments():
        with command() as (process, found), ExitStack() as stack:
            for _ in range(6):
                asking = socket.create_connection(("127.0.0.1", int(found["http"].rpartition(":")[2])))
                stack.enter_context(asking).sendall(head + dearest)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            for _ in moments():
                if pids := children.read_text().split():
                    break
                time.sleep(0.02)
            assert pids
            took_s = stopping_s(process, signal.SIGTERM)
            assert all(dies(int(pid)) for pid in pids)
        if took_s < 3:
            return
    pytest.fail(f"stopping took {took_s} s")


def test_child_that_computes_ends_with_the_block_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within three seconds; what it had in the folder for temporary files is gone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    settings = Settings(latency=Latency(batch_base_s=600, batch_limit=1, busy=True))
    for _ in moments():
        with spawned(settings) as addresses:
            assert Path(addresses.ca_file).is_relative_to(tmp_path)
            with besieged(asdict(addresses)):
                assert computing(addresses.pid)
                began = time.monotonic()
        took_s = time.monotonic() - began
        assert gone(addresses.pid) and not list(tmp_path.iterdir())
        if took_s < 3:
            return
    pytest.fail(f"stopping took {took_s} s")


LINGERING = """
import asyncio, threading
from serlab.wire import Settings, run_until_signal

def ready(addresses):
    threading.Thread(target=threading.Event().wait).start()
    print(addresses.pid, flush=True)

asyncio.run(run_until_signal(Settings(), ready))
"""


def test_process_ends_though_a_thread_would_hold_it() -> None:
    """What a library leaves behind, such as a thread that the interpreter would wait for, does not keep it."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", LINGERING], **pipes) as process:
        try:
            assert process.stdout is not None and int(process.stdout.readline()) == process.pid
            stopping_s(process, signal.SIGTERM)
        finally:
            process.kill()


def test_key_is_in_no_file_of_a_server_that_runs_or_was_killed(tmp_path: Path) -> None:
    """Only certificates, which everybody may see."""
    with command(environment={"TMPDIR": str(tmp_path)}) as (process, found):
        names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
        assert names == {OWNER, "chain.pem", "authority.pem"} and Path(found["ca_file"]).is_relative_to(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait(HANG_S)
    assert not [path for path in tmp_path.rglob("*.pem") if b"PRIVATE" in path.read_bytes()]


def test_certificates_of_a_server_that_was_killed_go_with_the_next_one(tmp_path: Path) -> None:
    """Those of one that runs stay."""
    with command(environment={"TMPDIR": str(tmp_path)}) as (process, killed):
        process.send_signal(signal.SIGKILL)
        process.wait(HANG_S)
    assert Path(killed["ca_file"]).exists() and list(tmp_path.iterdir()) == [Path(killed["ca_file"]).parent]
    with (
        command(environment={"TMPDIR": str(tmp_path)}) as (_, first),
        command(environment={"TMPDIR": str(tmp_path)}) as (_, second),
    ):
        assert {path.parent for path in tmp_path.rglob("*.pem")} == {
            Path(found["ca_file"]).parent for found in (first, second)
        }


def test_command_prints_addresses_for_people() -> None:
    """A line for each."""
    with subprocess.Popen([COMMAND, "serve"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        names = [process.stdout.readline().split()[0] for _ in range(5)]
        process.terminate()
        assert names == ["http", "https", "grpc", "grpcs", "ca_file"] and process.wait(HANG_S) == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--errors", "2"], "expected a share of 0 to 1"),
        (["--token-ms", "-1"], "token_s"),
        (["--host", "0.0.0.0"], "loopback"),
        (["--host", "localhost"], "IP address"),
        (["--http-port", "70000"], "http_port"),
        (["--tokens", "0"], "tokens"),
    ],
)
def test_wrong_option_is_one_clear_line(serlab: Run, options: list[str], text: str) -> None:
    """And status 2."""
    done = serlab("serve", *options)
    assert done.returncode == 2 and text in done.stderr and done.stderr.count("\n") == 1


def test_port_in_use_is_one_clear_line(serlab: Run) -> None:
    """No traceback."""
    with spawned() as addresses:
        done = serlab("serve", "--http-port", addresses.http.rpartition(":")[2])
    assert done.returncode == 2 and "choose another" in done.stderr and done.stderr.count("\n") == 1


def test_child_is_another_process_that_ends_with_the_block() -> None:
    """Ready when it is given, on every address; gone afterwards."""
    with spawned(Settings(tokens=3)) as addresses:
        assert addresses.pid != os.getpid()
        answer = httpx2.post(
            addresses.https + PATH, json=CHAT, verify=trust(addresses), trust_env=False, timeout=HANG_S
        )
        assert answer.json()["usage"]["completion_tokens"] == 3
    assert gone(addresses.pid)


def test_child_dies_with_its_parent() -> None:
    """Even of a parent that is killed."""
    code = """
import time
from serlab.wire import spawned
with spawned() as addresses:
    print(addresses.pid, flush=True)
    time.sleep(1000)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        assert dies(pid)


def test_a_process_with_many_open_files_starts_a_server() -> None:
    """More than 1,024, of which some ways to wait for a file know nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with spawned() as addresses:
            assert addresses.http
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
