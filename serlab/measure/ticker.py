"""How late an event loop is: a ticker that is due every millisecond, and work that comes at a stated rate.

A blocked loop misses ticks: each one that was missed counts with its own lag when the loop comes back, as a request
that arrived then would have waited (leaving them out is known as coordinated omission). Work comes whether or not the
last piece of it is done.

The loop waits by `select`, since epoll rounds a timer up to the next millisecond and would hide shorter lags.

Source: CPython's Lib/selectors.py (rounding of timeouts); Gil Tene, How NOT to Measure Latency (2015).
"""

import asyncio
import selectors
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from serlab.measure.options import TICK_NS


def fine_loop() -> asyncio.SelectorEventLoop:
    """Make an event loop whose timers are not rounded to milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


async def ticked(lags: list[int], handle: Callable[[Any], Any], items: list[Any], per_s: int) -> float:
    """Hand out items at a stated rate while the ticker runs, for as long as they should take, or as they do.

    Args:
        lags: where the lags of the ticks go, in nanoseconds.
        handle: awaited with each item.
        items: what is handed out.
        per_s: how many a second.

    Returns:
        How many a second were done.
    """
    begin = perf_counter_ns()
    ticker = asyncio.create_task(_tick(lags))
    elapsed = await _feed(handle, items, per_s)
    await _until(max(begin + len(items) * 10**9 // per_s, perf_counter_ns() + 2 * TICK_NS))
    ticker.cancel()
    return min(per_s, len(items) * 1e9 / elapsed)


async def _tick(lags: list[int]) -> None:
    """Note how late the loop is, once for every tick that was due, until cancelled."""
    due = perf_counter_ns() + TICK_NS
    while True:
        await _until(due)
        now = perf_counter_ns()
        while due <= now:
            lags.append(now - due)
            due += TICK_NS


async def _feed(handle: Callable[[Any], Any], items: list[Any], per_s: int) -> int:
    """Hand out one body after another at the stated rate and wait for all; give the nanoseconds until the last."""
    begin = perf_counter_ns()
    async with asyncio.TaskGroup() as group:
        for number, item in enumerate(items):
            await _until(begin + number * 10**9 // per_s)
            group.create_task(handle(item))
    return perf_counter_ns() - begin


async def _until(due: int) -> None:
    """Sleep until a time on the machine's clock; where it is past, let the others on the loop go first."""
    await asyncio.sleep(max(0, due - perf_counter_ns()) / 1e9)
