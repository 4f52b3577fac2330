"""The server as a command and as a child."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from serlab.service import Settings, spawned
from tests.conftest import Run
from tests.service.helpers import CHAT, PATH, trust

STREAM = {**CHAT, "stream": True}
COMMAND = str(Path(sys.executable).with_name("serlab"))


def dies(pid: int, seconds: float = 5.0) -> bool:
    """Tell whether a process ends in time."""
    for _ in range(int(seconds / 0.02)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """It prints where it listens, answers, and ends within a second with status 0 and its folder gone."""
    options = ["--json", "--seed", "3", "--tokens", "5", "--token-ms", "1"]
    with subprocess.Popen([COMMAND, "serve", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            found = json.loads(process.stdout.readline())
            assert httpx2.post(found["http"] + PATH, json=CHAT, trust_env=False).status_code == 200
            began = time.monotonic()
            process.send_signal(number)
            assert process.wait(5) == 0 and time.monotonic() - began < 1
            assert process.stderr.read() == b"" and not Path(found["ca_file"]).exists()
        finally:
            process.kill()


def test_command_stops_within_a_second_of_a_reader_that_takes_nothing() -> None:
    """The connection is full and stays so; the server does not wait for it."""
    options = ["--json", "--tokens", "1000000", "--host", "::1"]
    with subprocess.Popen([COMMAND, "serve", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            found = json.loads(process.stdout.readline())
            with httpx2.Client(trust_env=False) as http, http.stream("POST", found["http"] + PATH, json=STREAM):
                made = [-1, 0]
                while made[-1] != made[-2]:
                    time.sleep(0.3)
                    made.append(httpx2.get(found["http"] + "/stats", trust_env=False).json()["tokens"])
                began = time.monotonic()
                process.terminate()
                assert process.wait(5) == 0 and time.monotonic() - began < 1 and made[-1] > 0
            assert process.stderr.read() == b""
        finally:
            process.kill()


def test_command_prints_addresses_for_people() -> None:
    """A line for each."""
    with subprocess.Popen([COMMAND, "serve"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        names = [process.stdout.readline().split()[0] for _ in range(5)]
        process.terminate()
        assert names == ["http", "https", "grpc", "grpcs", "ca_file"] and process.wait(5) == 0


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
    done = serlab("serve", *options, timeout=30)
    assert done.returncode == 2 and text in done.stderr and done.stderr.count("\n") == 1


def test_port_in_use_is_one_clear_line(serlab: Run) -> None:
    """No traceback."""
    with spawned() as addresses:
        done = serlab("serve", "--http-port", addresses.http.rpartition(":")[2], timeout=30)
    assert done.returncode == 2 and "choose another" in done.stderr and done.stderr.count("\n") == 1


def test_child_is_another_process_that_ends_with_the_block() -> None:
    """Ready when it is given, on every address; gone afterwards."""
    with spawned(Settings(tokens=3)) as addresses:
        assert addresses.pid != os.getpid()
        answer = httpx2.post(addresses.https + PATH, json=CHAT, verify=trust(addresses), trust_env=False)
        assert answer.json()["usage"]["completion_tokens"] == 3
    assert dies(addresses.pid, 1)


def test_child_dies_with_its_parent() -> None:
    """Even of a parent that is killed."""
    code = """
import time
from serlab.service import spawned
with spawned() as addresses:
    print(addresses.pid, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        assert dies(pid)
