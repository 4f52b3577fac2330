"""A recipe, what is known of it, and at which lengths it is worth a try."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.attack.recipe import Node, grows
from tests.attack.trial import MIB, Cost, may_hold, may_take_s

LONGEST = 63 * MIB

NOISE_BYTES, NOISE_S = MIB // 4, 0.01
"""What any trial seems to take, so that a short message promises nothing by it."""

FINER = 1.2
"""Between an accepted and a refused length no more is tried when they are so close."""


@dataclass
class Tried:
    """A recipe, and what is known of it.

    Attributes:
        codec: for which it was made.
        kind: of message.
        node: the recipe.
        costs: what was measured: entrance and length → cost.
        dearest: the highest score.
    """

    codec: str
    kind: str
    node: Node
    costs: dict[tuple[str, int], Cost] = field(default_factory=dict)
    dearest: float = 0.0

    def promise(self) -> float:
        """Return the score that it may reach at any length, if what it takes grows with the length."""
        return max(self.dearest, max((found for found, _ in self.next_lengths()), default=0.0))

    def next_lengths(self) -> Iterator[tuple[float, int]]:
        """Yield lengths that are worth a try by `decode`, and the score that may come of each."""
        if self.dearest > 1:
            return
        mine = [(size, cost) for (entrance, size), cost in self.costs.items() if entrance == "decode"]
        accepted = max(((size, cost) for size, cost in mine if cost.outcome == "accepted"), default=None)
        refused = min((size for size, cost in mine if cost.outcome == "refused"), default=0)
        if not mine or not grows(self.node):
            return
        # A refusal costs too, and more for a longer message if it comes late.
        size, cost = accepted or max(mine)
        if not accepted:
            refused = 0
        if refused > size * FINER:
            lengths = [round((size * refused) ** 0.5)]
        else:
            lengths = [] if refused else [length for length in (8 * size, LONGEST) if size < length <= LONGEST]
        # Step by step, since a short message says little: whatever length it is dear at, the next one is tried first.
        values = [self.expected(cost, length) for length in lengths]
        if values:
            yield max(values), lengths[0]

    def expected(self, cost: Cost, length: int) -> float:
        """Return the score of a message of a length, if it takes as much for each byte as a shorter one."""
        growth = length / max(cost.length, 1)
        memory = max(0, cost.memory - NOISE_BYTES) * growth / may_hold(self.codec, length)
        return max(memory, max(0.0, cost.cpu_s - NOISE_S) * growth / may_take_s(length))
