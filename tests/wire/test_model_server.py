"""The model behind the server: pace, batches, and answers that the request determines."""

import asyncio
import pickle
import time

import pytest

from serlab.errors import ServiceError
from serlab.messages import from_document
from serlab.wire import Engine, Latency, Settings
from serlab.wire.answers import RequestDigest, pool, tokens_of
from serlab.wire.api_errors import ApiError, Stats
from serlab.wire.model import Batcher
from serlab.wire.settings import NO_FAULT, Pace
from tests.wire.helpers import HELLO, bounded, leaping, request, until

CLOCK_S = 0.001
"""A loop's timers may be early by the clock's step, and rounded."""


def test_pace_is_the_first_token_and_then_one_step_each() -> None:
    """Of a stream, and of a whole answer."""

    async def work() -> None:
        latency = Latency(first_token_s=0.1, token_s=0.02)
        for whole in (False, True):
            began, pace = now_s(), Pace(latency)
            if whole:
                await pace.all(6)
            else:
                for _ in range(6):
                    await pace.next()
            assert now_s() - began == pytest.approx(0.1 + 5 * 0.02)

    leaping(work())


def now_s() -> float:
    """Read the clock of the loop."""
    return asyncio.get_running_loop().time()


def test_pace_waits_by_the_clock() -> None:
    """In a loop of every day: not a token comes before it is due."""

    async def work() -> None:
        began, pace = time.monotonic(), Pace(Latency(first_token_s=0.1, token_s=0.02))
        for token in range(6):
            await pace.next()
            assert time.monotonic() - began > 0.1 + token * 0.02 - CLOCK_S

    bounded(work())


def test_late_token_does_not_delay_those_after_it() -> None:
    """Due times are fixed at the start."""

    async def work() -> None:
        began, pace = now_s(), Pace(Latency(token_s=0.02))
        await pace.next()
        await asyncio.sleep(0.15)
        for _ in range(10):
            await pace.next()
        assert now_s() - began == pytest.approx(10 * 0.02)

    leaping(work())


@pytest.mark.parametrize("busy", [False, True])
def test_busy_model_holds_the_loop_up_and_a_sleeping_one_does_not(busy: bool) -> None:
    """That is what sleeping hides."""

    async def work() -> int:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.005)
                turns += 1

        beside = asyncio.create_task(others())
        await Pace(Latency(first_token_s=0.2, busy=busy)).next()
        beside.cancel()
        return turns

    assert leaping(work()) in (range(2) if busy else range(38, 41))


def test_batch_takes_what_waits_and_a_plus_b_times_n_seconds() -> None:
    """The first is served alone, the three that came meanwhile together."""

    async def work() -> None:
        stats = Stats()
        batcher = Batcher(Latency(batch_base_s=0.1, batch_item_s=0.02, batch_limit=3), stats)
        began = now_s()
        first = asyncio.create_task(batcher.serve(1))
        assert await until(lambda: stats.batches == 1)
        await asyncio.gather(first, *(batcher.serve(1) for _ in range(3)))
        assert (stats.batches, stats.items, stats.waiting) == (2, 4, 0)
        assert now_s() - began == pytest.approx((0.1 + 0.02) + (0.1 + 3 * 0.02))

    leaping(work())


def test_batches_keep_the_order_and_the_limit() -> None:
    """A request that is larger than the limit is served alone, not split."""

    async def work() -> None:
        stats = Stats()
        batcher = Batcher(Latency(batch_item_s=0.001, batch_limit=4), stats)
        order: list[int] = []

        async def one(number: int, items: int) -> None:
            await batcher.serve(items)
            order.append(number)

        await asyncio.gather(*(one(i, items) for i, items in enumerate((3, 3, 9, 1, 1))))
        assert order == [0, 1, 2, 3, 4] and stats.batches == 4 and stats.items == 17

    bounded(work())


def test_batcher_serves_on_after_all_have_left() -> None:
    """And counts nobody twice."""

    async def work() -> None:
        stats = Stats()
        batcher = Batcher(Latency(batch_base_s=0.05), stats)
        tasks = [asyncio.create_task(batcher.serve(1)) for _ in range(3)]
        assert await until(lambda: stats.batches == 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.serve(2)
        assert stats.waiting == 0 and stats.items == 5
        await batcher.close()

    bounded(work())


def test_answer_is_the_requests_and_the_seeds() -> None:
    """Equal for equal ones, another for others; whether it is streamed is no part of it."""

    async def work() -> None:
        async def text(seed: int, **fields: object) -> str:
            answer = await Engine(Settings(seed=seed)).answer(request(**fields), NO_FAULT)
            return str(answer.choices[0].message.content)

        same = await text(1)
        assert same == await text(1) == await text(1, stream=True, stream_options={"include_usage": True})
        others = {await text(2), await text(1, temperature=0.5), await text(1, user="u"), await text(-1)}
        assert len(others | {same}) == 5

    bounded(work())


def test_request_that_json_cannot_write_is_answered_too() -> None:
    """A wide integer in what no field covers."""

    async def work() -> None:
        odd = from_document("ChatRequest", {"model": "m", "messages": [{"role": "user"}], "odd": 2**80})
        assert (await Engine(Settings()).answer(odd, NO_FAULT)).choices

    bounded(work())


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("ChatRequest", {"messages": [{"role": "user"}]}),
        ("GenerateRequest", {"prompt": "a"}),
        ("EmbeddingRequest", {"input": "a"}),
    ],
)
def test_model_has_a_short_name(kind: str, fields: dict[str, object]) -> None:
    """Each piece of a stream repeats it."""

    async def work() -> None:
        engine = Engine(Settings())
        engine.admit(from_document(kind, {"model": "m" * 256, **fields}))
        with pytest.raises(ApiError, match="model: expected a name of at most 256 characters, got 'mmm") as caught:
            engine.admit(from_document(kind, {"model": "m" * 257, **fields}))
        assert caught.value.status == 400

    bounded(work())


def test_engine_counts_answers_and_tokens() -> None:
    """What was taken of a stream that was left, and no more."""

    async def work() -> None:
        engine = Engine(Settings(tokens=10))
        await engine.answer(HELLO, NO_FAULT)
        pieces = engine.pieces(HELLO, NO_FAULT)
        for _ in range(4):
            await anext(pieces)
        assert engine.stats.active == 1
        await pieces.aclose()
        found = engine.stats.to_dict()
        assert (found["active"], found["completed"], found["cancelled"], found["tokens"]) == (0, 1, 1, 13)

    bounded(work())


@pytest.mark.parametrize("fields", [{"token_s": -1}, {"first_token_s": float("nan")}, {"batch_limit": 0}])
def test_wrong_latency_is_refused(fields: dict[str, float]) -> None:
    """By the name of the field."""
    with pytest.raises(ServiceError, match=next(iter(fields))):
        Latency(**fields)  # type: ignore[arg-type]


def test_tokens_go_round_their_pool() -> None:
    """An answer is the words from its place on, from the first again after the last, without white space before it."""
    words = pool(5)
    for start, count in ((0, 3), (len(words) - 2, 5), (7, 1), (3, 2 * len(words) + 3)):
        found = tokens_of(RequestDigest(start + 9 * len(words), 0), count, 5)
        expected = [words[(start + at) % len(words)] for at in range(count)]
        expected[0] = expected[0].lstrip()
        assert list(found) == expected and len(found) == count
        assert [found[at] for at in range(count)] == expected and found[-1] == expected[-1]
        assert found[1:4] == expected[1:4] and found[count:] == []
        assert list(pickle.loads(pickle.dumps(found))) == expected
    with pytest.raises(IndexError):
        tokens_of(RequestDigest(0, 0), 3, 5)[3]
