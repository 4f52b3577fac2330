"""The search: a few recipes for each codec, changed again and again; the dearest are kept.

What is cheap to try comes first: a recipe is measured on a message of some 64 kB, and one that promises to be too dear
at another length is tried there: longer and longer while it is accepted, then between the longest that was accepted and
the shortest that was refused, since the dearest message stands just below a limit.

With the same seed the same recipes are grown and changed as long as they rank alike; costs are measured, and so differ
a little each time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import NamedTuple

from serlab.messages import MESSAGE_TYPES
from tests.attack.entrances import RENDERS, entrances_of, form_of
from tests.attack.finds import Find, confirmed, minimised
from tests.attack.mutate import mutated, shortened
from tests.attack.recipe import Node, shape
from tests.attack.schemas import root
from tests.attack.seeds import seeds
from tests.attack.trial import MIB, Cost, Trial, score, warm
from tests.attack.tried import LONGEST, Tried

FIRST = 2**16
LENGTHS = (2**12, FIRST, FIRST, FIRST, FIRST, FIRST, FIRST, MIB)
CLASSES = {"small": 2**17, "1 MiB": MIB, "8 MiB": 8 * MIB, "63 MiB": LONGEST}
"""Lengths up to which a message belongs to a class."""

SEARCHING = 0.8
"""Part of the time that is searched; the rest goes into the table of the worst."""

KEPT = 6
"""Recipes that are kept for a codec and a kind of message, by what they promise."""

DEAREST = 3
"""Recipes that are kept beside them, by what was measured."""

SMALLER_S = 20.0
"""How long a find is made smaller."""

MOST_FINDS = 6
"""Finds of one codec that are made smaller and kept; what comes after them is likely the same."""


class Job(NamedTuple):
    """What is tried next."""

    tried: Tried
    entrance: str
    size: int


@dataclass
class Search:
    """A search over some codecs.

    Attributes:
        codecs: their names.
        random: what decides.
        workers: how many trials run at a time.
        left_out: kinds of seeds that are not given.
        kinds: of messages; all that the codec has by default.
        say: what is called with each find.
    """

    codecs: list[str]
    random: Random
    workers: int = 1
    left_out: frozenset[str] = frozenset()
    kinds: tuple[str, ...] = (*MESSAGE_TYPES, "document")
    say: Callable[[Find], None] = lambda find: None
    kept: dict[str, list[Tried]] = field(default_factory=dict)
    worst: dict[tuple[str, str, str], list[tuple[Cost, float]]] = field(default_factory=dict)
    finds: list[Find] = field(default_factory=list)
    trials: int = 0

    def run(self, seconds: float, first: bool = False) -> None:
        """Search for a while.

        Args:
            seconds: how long; a fifth of it goes into trying the dearest at every entrance and length.
            first: end at the first find.
        """
        for codec in self.codecs:
            warm(codec)
        start = monotonic()
        queue = [job for codec in self.codecs for job in self.first(codec)]
        self.random.shuffle(queue)
        while monotonic() < start + SEARCHING * seconds:
            batch = [queue.pop() if queue else self.next(codec) for codec in self.codecs]
            if self.measure(batch, start + seconds) and first:
                return
        for job in self.sweep():
            if monotonic() > start + seconds or (self.measure([job], start + seconds) and first):
                return

    def first(self, codec: str) -> list[Job]:
        """List the trials of the seeds."""
        given = seeds(form_of(codec), self.left_out)
        return [Job(Tried(codec, kind, node), "decode", FIRST) for kind, node in given if kind in self.kinds_of(codec)]

    def kinds_of(self, codec: str) -> list[str]:
        """List the kinds of messages that a codec carries."""
        schema = form_of(codec) in ("protobuf", "flatbuffers")
        return [kind for kind in self.kinds if kind != "document" or not schema]

    def next(self, codec: str) -> Job:
        """Choose a trial: a promising length, another entrance, a recipe that is changed or one that is new."""
        random, kept = self.random, self.kept.get(codec, [])
        chance = random.random()
        promising = [
            (size, -found, i) for i, one in enumerate(kept) for found, size in one.next_lengths() if found > 0.9
        ]
        if promising and chance < 0.4:
            # The shortest are soon measured, but with them alone none would ever be followed to where it ends.
            size, _, i = random.choice((min, max))(promising, key=lambda one: one[0])
            return Job(kept[i], "decode", size)
        if kept and chance < 0.48:
            tried = random.choice(kept)
            return Job(
                tried,
                random.choice(entrances_of(codec, tried.kind)),
                max((size for _, size in tried.costs), default=FIRST),
            )
        kind = random.choice(self.kinds_of(codec))
        if not kept or chance > 0.8:
            return self.job(codec, kind, root(form_of(codec), kind).grow(random), random.choice(LENGTHS))
        # The better of two.
        parent = min(random.choice(range(len(kept))) for _ in range(2))
        others = [tried for tried in kept if tried.kind == kept[parent].kind]
        parent_kind, node = kept[parent].kind, kept[parent].node
        node = mutated(random, node, random.choice(others).node, root(form_of(codec), parent_kind))
        sizes = [size for _, size in kept[parent].costs if size <= 8 * MIB]
        return self.job(codec, parent_kind, node, random.choice((*LENGTHS, *sizes)))

    def job(self, codec: str, kind: str, node: Node, size: int) -> Job:
        """Make a trial of a new recipe, which must give a message of that length."""
        return Job(Tried(codec, kind, shortened(self.random, node, RENDERS[form_of(codec)], size)), "decode", size)

    def measure(self, jobs: list[Job], end: float) -> list[Find]:
        """Run trials, some at a time, and keep what they show."""
        found = []
        for i in range(0, len(jobs), self.workers):
            batch = jobs[i : i + self.workers]
            running = [Trial(job.tried.codec, job.entrance, job.tried.kind, job.tried.node, job.size) for job in batch]
            for job, trial in zip(batch, running, strict=True):
                cost = trial.result()
                found += self.learn(job, cost, end)
        return found

    def learn(self, job: Job, cost: Cost, end: float) -> list[Find]:
        """Keep what a trial showed; give what is too dear."""
        self.trials += 1
        tried = job.tried
        value = score(tried.codec, cost)
        self.note(tried.codec, job.entrance, cost, value)
        found = []
        if value > 1:
            find = Find(tried.codec, job.entrance, tried.kind, tried.node, job.size, cost, value)
            if self.is_new(find) and (sure := confirmed(find)):
                smaller = confirmed(minimised(sure, min(end, monotonic() + SMALLER_S))) or sure
                if self.is_new(smaller):
                    self.finds.append(smaller)
                    self.say(smaller)
                    found.append(smaller)
        tried.costs[job.entrance, job.size] = cost
        tried.dearest = max(tried.dearest, value)
        self.keep(tried)
        return found

    def keep(self, tried: Tried) -> None:
        """Keep the dearest recipes of a codec, one of a shape."""
        kept = self.kept.setdefault(tried.codec, [])
        form = shape(tried.node)
        same = [other for other in kept if shape(other.node) == form]
        if tried not in kept and all(tried.promise() > other.promise() for other in same):
            kept[:] = [other for other in kept if other not in same] + [tried]
        # What is too dear already is known; what may become so is worth more changes.
        kept.sort(key=lambda other: -round(other.promise(), 1) if other.dearest <= 1 else -0.5)
        mine = [other for other in kept if other.kind == tried.kind]
        # A recipe that ended at a limit promises nothing more, but what is made of it may pass the limit by.
        known = sorted((other for other in mine if other.dearest <= 1), key=lambda other: -other.dearest)[:DEAREST]
        for last in mine[KEPT:]:
            if last not in known:
                kept.remove(last)

    def note(self, codec: str, entrance: str, cost: Cost, value: float) -> None:
        """Keep the slowest and the largest of each class."""
        name = next((name for name, most in CLASSES.items() if cost.length <= most), None)
        if name and cost.length:
            slot = self.worst.setdefault((codec, entrance, name), [(cost, value), (cost, value)])
            slot[0] = max(slot[0], (cost, value), key=lambda item: item[0].cpu_s)
            slot[1] = max(slot[1], (cost, value), key=lambda item: item[0].memory)

    def is_new(self, find: Find) -> bool:
        """Return whether nothing of the kind was found."""
        mine = [other for other in self.finds if other.codec == find.codec]
        return len(mine) < MOST_FINDS and shape(find.node) not in {shape(other.node) for other in mine}

    def sweep(self) -> Iterator[Job]:
        """List the dearest recipes at every entrance and class of length, round by round."""
        for rank in range(max(map(len, self.kept.values()), default=0)):
            for most in CLASSES.values():
                for codec in self.codecs:
                    for tried in self.kept.get(codec, [])[rank : rank + 1]:
                        names = entrances_of(codec, tried.kind)
                        yield from (Job(tried, name, most) for name in names if (name, most) not in tried.costs)
