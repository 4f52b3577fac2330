"""The model behind the server: requests in, messages out, at the pace of the latency model.

It knows no transport. HTTP and gRPC stand on it, and so can a gateway or a load generator.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, NamedTuple

from serlab.messages import EmbeddingRequest, GenerateRequest
from serlab.wire import answers
from serlab.wire.answers import FORMS, Form, Reply, check, numbers_of, tokens_each, wants_usage
from serlab.wire.api_errors import ApiError, Cut, Stats, injected_error, rate_limited
from serlab.wire.connections import Peers
from serlab.wire.content import FULL, Shape
from serlab.wire.heavy import Heavy, size_of
from serlab.wire.jobs import Prepared
from serlab.wire.settings import Fault, Latency, Pace, Settings, spend

# A batcher: requests that wait together are served together, one batch after another.
#
# A batch takes what waits when the one before it ends, up to the limit. Who leaves while waiting is not taken along; a
# batch that has begun is finished even if all its members leave, as a kernel on a GPU is. Nothing here runs in a
# thread.


class Job(NamedTuple):
    """A request that waits: its items, and what tells it that its batch is done."""

    items: int
    done: asyncio.Future[None]


class Batcher:
    """Serves batches that take a + b·n seconds; where that is 0, nobody waits and nothing is counted.

    Args:
        latency: the model's times.
        stats: where to count.
    """

    def __init__(self, latency: Latency, stats: Stats) -> None:
        self.latency = latency
        self.stats = stats
        self.jobs: deque[Job] = deque()
        self.runner: asyncio.Task[None] | None = None

    async def serve(self, items: int) -> None:
        """Wait until a batch with these items was served.

        Args:
            items: how many the request has; those of one request are never split, even beyond the limit.
        """
        if not self.latency.batch_s(items):
            return
        job = Job(items, asyncio.get_running_loop().create_future())
        self.jobs.append(job)
        self.stats.waiting += items
        if self.runner is None or self.runner.done():
            self.runner = asyncio.create_task(self.run())
        try:
            await job.done
        except asyncio.CancelledError:
            if job in self.jobs:
                self.jobs.remove(job)
                self.stats.waiting -= items
            raise

    async def run(self) -> None:
        """Serve batches until nobody waits."""
        while batch := self.take():
            items = sum(job.items for job in batch)
            self.stats.batches += 1
            self.stats.items += items
            await spend(self.latency.batch_s(items), self.latency.busy)
            for job in batch:
                if not job.done.done():
                    job.done.set_result(None)

    def take(self) -> list[Job]:
        """Take the next batch: the first that waits and whoever else still fits."""
        batch: list[Job] = []
        room = self.latency.batch_limit
        while self.jobs and (not batch or self.jobs[0].items <= room):
            job = self.jobs.popleft()
            self.stats.waiting -= job.items
            room -= job.items
            batch.append(job)
        return batch

    async def close(self) -> None:
        """Stop the batch that is under way."""
        if self.runner is not None:
            self.runner.cancel()
            await asyncio.gather(self.runner, return_exceptions=True)


TOGETHER = 64
"""Pieces that are not waited for, as those of many prompts at once, before the loop serves others."""
PROMPT = 64
"""Tokens that take as long as what is done once for a prompt: to hash it, and to make and encode its choice."""
NUMBER_BYTES, TOKEN_BYTES = 22, 16
"""Of a number of a vector as JSON, which is the longest form; and of a token, 5 characters and its place in a list."""
CUT = "an injected fault ends this answer"


class Engine:
    """Answers requests.

    Args:
        settings: of the server.

    Attributes:
        stats: its counters.
        heavy: where long work is done.
        peers: the clients that are connected.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stats = Stats()
        self.batcher = Batcher(settings.latency, self.stats)
        self.heavy = Heavy(settings.seed, settings.tokens, settings.dimensions)
        self.peers = Peers(settings.bounds)
        self.admitted = 0

    def admit(self, request: Any, forced: str = "") -> Fault:
        """Let a request in.

        Args:
            request: a ChatRequest, GenerateRequest or EmbeddingRequest; or one that a child has prepared.
            forced: a fault that the client asks for; see `serlab.wire.settings.KINDS`.

        Returns:
            The fault that its answer will have.

        Raises:
            ApiError: it asks for what the model does not do, or the fault is an error or a rate limit.
            UnknownNameError: there is no such fault.
        """
        if not isinstance(request, Prepared):
            check(request, self.settings.tokens, self.settings.dimensions)
        faults = self.settings.faults
        fault = faults.draw(self.settings.seed, self.admitted, forced)
        self.admitted += 1
        if fault.kind == "error":
            raise injected_error()
        if fault.kind == "rate-limit":
            raise rate_limited(faults.retry_after_s)
        return fault

    async def answer(self, request: Any, fault: Fault, takes_turns: bool = False) -> Any:
        """Answer with one message, when the model has all of it.

        Args:
            request: one that was admitted.
            fault: as `admit` gave it: a stall makes the answer late; a cut is the transport's to make.
            takes_turns: whether it is long work to think the answer up; see `serlab.wire.heavy`.

        Returns:
            The message; of a request whose answer a child has encoded, its pieces.
        """
        with self.stats.answering():
            if fault.kind == "stall":
                await asyncio.sleep(self.settings.faults.stall_s)
            if isinstance(request, Prepared) and request.reply is None:
                await self.batcher.serve(request.items)
                if request.tokens:
                    await Pace(self.settings.latency).all(request.tokens)
                    self.stats.tokens += request.items * request.tokens
                return request.pieces
            if isinstance(request, EmbeddingRequest):
                await self.batcher.serve(len(answers.items_of(request.input)))
                embed = partial(answers.embeddings_of, request, self.settings.seed, self.settings.dimensions)
                return await self.heavy.by_turns(embed, takes_turns)
            form, reply = await self.heavy.by_turns(partial(self.reply, request), takes_turns)
            await self.batcher.serve(reply.choices)
            await Pace(self.settings.latency).all(len(reply.tokens))
            self.stats.tokens += reply.total
            return await self.heavy.by_turns(partial(form.whole, reply), takes_turns)

    async def pieces(
        self, request: Any, fault: Fault, shape: Shape = FULL, takes_turns: bool = False
    ) -> AsyncGenerator[Any, None]:
        """Answer token by token. No token is made before the one before it was taken: a slow reader slows the model.

        Args:
            request: a ChatRequest or GenerateRequest that was admitted.
            fault: as `admit` gave it: a stall or a cut comes after its share of the tokens.
            shape: of the stream.
            takes_turns: as for `answer`.

        Raises:
            ApiError: this kind of request is not answered with tokens.
            Cut: the fault is one.
        """
        form, reply = await self.heavy.by_turns(partial(self.reply, request), takes_turns)
        last = int(fault.at * len(reply.tokens)) if fault.kind else -1
        with self.stats.answering():
            await self.batcher.serve(reply.choices)
            pace, made = Pace(self.settings.latency), 0
            usage = request.usage if isinstance(request, Prepared) else wants_usage(request)
            for number, (message, count) in enumerate(form.pieces(reply._replace(shape=shape), usage)):
                if not count and number % TOGETHER == TOGETHER - 1:
                    await asyncio.sleep(0)
                for _ in range(count):
                    if made == last:
                        await self.disturb(fault)
                    await pace.next()
                    made += 1
                    self.stats.tokens += reply.choices
                yield message

    def reply(self, request: Any) -> tuple[Form, Reply]:
        """Think up an answer."""
        if isinstance(request, Prepared) and request.reply is not None:
            return FORMS[request.kind], request.reply
        form = FORMS.get(type(request))
        if form is None:
            raise ApiError(400, f"a {type(request).__name__} is not answered with tokens", param="stream")
        return form, form.reply(request, self.settings.seed, self.settings.tokens)

    def size(self, request: Any) -> int:
        """Count the numbers of the vectors, or the tokens of the texts, that an admitted request asks for.

        A prompt counts as `PROMPT` tokens more. What a child has prepared is done, and the answer to one prompt is no
        work, however long: its tokens come one by one.
        """
        if isinstance(request, EmbeddingRequest):
            return numbers_of(request, self.settings.dimensions)
        if isinstance(request, GenerateRequest):
            prompts = len(answers.prompts_of(request)[1])
            return prompts * (PROMPT + tokens_each(request, self.settings.tokens)) if prompts > 1 else 0
        return 0

    def bytes(self, request: Any) -> int:
        """Estimate how long the whole answer to an admitted request is, whatever its codec: rather more than less."""
        if isinstance(request, Prepared):
            return size_of(request.pieces)
        if isinstance(request, EmbeddingRequest):
            return NUMBER_BYTES * numbers_of(request, self.settings.dimensions)
        prompts = len(answers.prompts_of(request)[1]) if isinstance(request, GenerateRequest) else 1
        return prompts * TOKEN_BYTES * (PROMPT + tokens_each(request, self.settings.tokens))

    def cut(self) -> Cut:
        """Return what ends a whole answer on its way out, and count it."""
        self.stats.cut += 1
        return Cut(CUT)

    async def disturb(self, fault: Fault) -> None:
        """Make a stall, or end the answer."""
        if fault.kind == "cut":
            raise Cut(CUT)
        await asyncio.sleep(self.settings.faults.stall_s)

    async def close(self) -> None:
        """Stop what is under way."""
        await self.batcher.close()
        await self.heavy.close()
