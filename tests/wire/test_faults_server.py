"""Faults are seeded, and each is what it says on the wire."""

import json
import time
from collections import Counter
from math import inf, nan

import httpx2
import pytest

from serlab.errors import ServiceError
from serlab.wire import Faults, Settings, running
from tests.wire.helpers import CHAT, PATH, asking, bounded, client

FORCED = "x-serlab-fault"


def test_faults_repeat_with_the_seed_and_have_their_shares() -> None:
    """Another seed has others."""
    faults = Faults(error=0.1, rate_limit=0.2, stall=0.1, cut=0.1)
    drawn = [faults.draw(1, number) for number in range(2000)]
    assert drawn == [faults.draw(1, number) for number in range(2000)]
    assert drawn != [faults.draw(2, number) for number in range(2000)]
    counts = Counter(fault.kind for fault in drawn)
    assert 0.4 < counts[""] / 2000 < 0.6 and 0.15 < counts["rate-limit"] / 2000 < 0.25
    assert all(0.06 < counts[kind] / 2000 < 0.14 for kind in ("error", "stall", "cut"))


@pytest.mark.parametrize(
    "shares", [{"error": 1.1}, {"error": 0.6, "cut": 0.6}, {"stall_s": -1}, {"stall_s": nan}, {"retry_after_s": inf}]
)
def test_wrong_shares_are_refused(shares: dict[str, float]) -> None:
    """Each is a share, and together they are one; a time is a number of seconds, of a day at most."""
    with pytest.raises(ServiceError, match="expected"):
        Faults(**shares)


def test_same_server_fails_the_same_requests() -> None:
    """One request after another meets the same faults in every run."""

    async def statuses() -> list[int]:
        async with (
            running(Settings(seed=5, faults=Faults(error=0.3, rate_limit=0.3))) as server,
            client(server) as http,
        ):
            return [(await http.post(PATH, json=CHAT)).status_code for _ in range(20)]

    first = bounded(statuses())
    assert first == bounded(statuses()) and set(first) == {200, 429, 500}


def test_rate_limit_says_when_to_come_again() -> None:
    """429 with Retry-After in whole seconds, and OpenAI's milliseconds."""

    async def work() -> None:
        settings = Settings(faults=Faults(rate_limit=1, retry_after_s=2.5))
        async with running(settings) as server, client(server) as http:
            answer = await http.post(PATH, json=CHAT)
            assert answer.status_code == 429 and answer.headers["retry-after"] == "2"
            assert answer.headers["retry-after-ms"] == "2500"
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"
            assert server.stats.refused == 1 and server.stats.tokens == 0

    bounded(work())


def test_error_is_a_500_in_the_apis_shape() -> None:
    """A client may ask for it by a header."""

    async def work() -> None:
        async with running() as server, client(server) as http:
            answer = await http.post(PATH, json=CHAT, headers={FORCED: "error"})
            assert answer.status_code == 500 and answer.json()["error"]["type"] == "server_error"
            assert (await http.post(PATH, json=CHAT)).status_code == 200
            assert (await http.post(PATH, json=CHAT, headers={FORCED: "flood"})).status_code == 400

    bounded(work())


@pytest.mark.parametrize("http2", [False, True])
def test_cut_ends_the_stream_in_the_middle(http2: bool) -> None:
    """The client notices: there is neither `[DONE]` nor a proper end."""

    async def work() -> None:
        async with running(Settings(tokens=50)) as server, client(server, http1=not http2, http2=http2) as http:
            asked = {"json": asking(stream=True), "headers": {FORCED: "cut"}}
            with pytest.raises(httpx2.RemoteProtocolError):
                async with http.stream("POST", PATH, **asked) as answer:
                    assert answer.status_code == 200
                    async for line in answer.aiter_lines():
                        assert line != "data: [DONE]"
            assert server.stats.cut == 1 and server.stats.active == 0 and server.stats.tokens < 50

    bounded(work())


def test_cut_ends_a_whole_answer_before_its_length(caplog: pytest.LogCaptureFixture) -> None:
    """Content-Length promises more than comes; the log says nothing, as it was asked for."""

    async def work() -> None:
        async with running() as server, client(server) as http:
            with pytest.raises(httpx2.RemoteProtocolError):
                await http.post(PATH, json=CHAT, headers={FORCED: "cut"})
            assert server.stats.cut == 1
        assert not [record for record in caplog.records if record.name == "serlab.wire"]

    bounded(work())


def test_stall_pauses_the_answer_and_goes_on() -> None:
    """All of it comes, late."""

    async def work() -> None:
        async with running(Settings(tokens=10, faults=Faults(stall_s=0.4))) as server, client(server) as http:
            for streams in (True, False):
                began = time.monotonic()
                answer = await http.post(PATH, json=asking(stream=streams), headers={FORCED: "stall"})
                assert time.monotonic() - began > 0.4
                assert answer.text.endswith("[DONE]\n\n") if streams else json.loads(answer.text)["choices"]

    bounded(work())
