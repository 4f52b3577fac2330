"""A message that is too dear: tried again, made as small as can be."""

from collections.abc import Iterable
from time import monotonic
from typing import NamedTuple

from tests.attack.recipe import Node, at, counts, put, walk, without
from tests.attack.trial import Cost, Trial, pace, score


class Find(NamedTuple):
    """A message that is too dear, and what it takes."""

    codec: str
    entrance: str
    kind: str
    node: Node
    size: int
    cost: Cost
    score: float


def tried_again(find: Find, node: Node, size: int) -> Find:
    """Measure a message like one that was found."""
    cost = Trial(find.codec, find.entrance, find.kind, node, size).result()
    return find._replace(node=node, size=size, cost=cost, score=score(find.codec, cost))


def confirmed(find: Find) -> Find | None:
    """Try a find again: on a busy machine the first time may have been slow; None if it is not too dear each time."""
    pace.cache_clear()
    again = [tried_again(find, find.node, find.size) for _ in range(2)]
    least = min(again, key=lambda other: other.score)
    return least if least.score > 1 else None


def minimised(find: Find, end: float) -> Find:
    """Leave out what does not matter, and make the message shorter, as long as it stays too dear."""
    changed = True
    while changed and monotonic() < end:
        changed = False
        for node, size in simpler(find):
            if monotonic() > end:
                break
            again = tried_again(find, node, size)
            if again.score > 1 and again.cost.failed == find.cost.failed:
                find, changed = again, True
                break
    return find


def simpler(find: Find) -> Iterable[tuple[Node, int]]:
    """List what is simpler than a find, the simplest first."""
    if find.size > 2**12:
        yield find.node, find.size // 4
        yield find.node, find.size // 2
    for path, node in walk(find.node):
        if node[0] == "block":
            yield without(find.node, path), find.size
    for path in counts(find.node):
        if at(find.node, path[:-1])[path[-1]] != 1:
            yield put(find.node, path, 1), find.size
