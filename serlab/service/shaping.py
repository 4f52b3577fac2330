"""The shape of a stream: what each piece repeats, and how many tokens go into one.

    x-serlab-envelope: slim     pieces after the first hold their text alone
    x-serlab-coalesce: 8        eight tokens a piece

Both are for HTTP. A slim piece is still a message of its kind, so every codec takes it; a client has to keep what the
first piece said of the answer: its id, object, time and model. Coalescing has a price that no codec can win back: the
first of n tokens waits for the n - 1 that come after it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Self

from serlab.service.refusals import Refusal

ENVELOPE_HEADER, COALESCE_HEADER = "x-serlab-envelope", "x-serlab-coalesce"
ENVELOPES = ("full", "slim")
MOST_TOKENS = 4096
"""In one piece; more is a whole answer by another name."""


class Shape(NamedTuple):
    """How an answer is cut into pieces.

    Attributes:
        slim: whether only the first piece says what all have in common.
        every: tokens in a piece; the last may have fewer.
    """

    slim: bool = False
    every: int = 1

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> Self:
        """Read the headers of a request.

        Raises:
            Refusal: there is no such envelope, or no number of tokens.
        """
        envelope, every = headers.get(ENVELOPE_HEADER, ENVELOPES[0]), headers.get(COALESCE_HEADER, "1")
        if envelope not in ENVELOPES:
            raise wrong(ENVELOPE_HEADER, " or ".join(ENVELOPES), envelope)
        # isdecimal() takes digits of any script, and int() digits without end.
        if not (every.isascii() and every.isdecimal() and len(every) <= 4 and 1 <= int(every) <= MOST_TOKENS):
            raise wrong(COALESCE_HEADER, f"1 to {MOST_TOKENS} tokens", every)
        return cls(envelope == "slim", int(every))

    def headers(self) -> dict[str, str]:
        """Write the headers that ask for this shape; none for what comes anyway."""
        slim = {ENVELOPE_HEADER: "slim"} if self.slim else {}
        return slim | ({COALESCE_HEADER: str(self.every)} if self.every > 1 else {})

    def parts(self, tokens: Sequence[str]) -> Iterator[tuple[str, int]]:
        """Join the tokens of each piece.

        Yields:
            The text, and of how many tokens it is.
        """
        for start in range(0, len(tokens), self.every):
            group = tokens[start : start + self.every]
            yield "".join(group), len(group)


FULL = Shape()
"""A token a piece, each with all that the API says."""


def wrong(name: str, expected: str, got: str) -> Refusal:
    """Make the refusal of a header's value."""
    return Refusal(400, f"{name}: expected {expected}, got {got[:40]!r}", param=name, code="invalid_value")
