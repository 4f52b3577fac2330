"""What JSON takes as Python values, estimated from its text before any is built.

Two bytes of text may stand for an object of two hundred: a corpus of a few kilobytes, compressed, would fill the
memory. So marks are counted first, which takes a thousandth of the time that reading takes; a mark inside a text counts
as well, since the text may be JSON that is read later.

Source: sys.getsizeof on 64 bits, with what the allocator and a list's or dict's spare room add.
"""

COSTS = {"[": 64, "{": 200, ",": 32, '"': 28, ":": 64}
"""Mark → bytes: a list, a dict with its first entry, a number and its place, half a text, an entry of a dict."""
SMALL = 1 << 20
"""Bytes of text that can do no harm: 90 MiB of empty objects, which are the dearest."""
PER_BYTE = 2
"""Bytes that the values of a line may take for each that a line may have: 512 MiB with the default limits. The bodies
of the recorded corpora take 2 to 7 for each that they have, tools up to 22, small numbers 16."""


def weight(text: bytes | str) -> int:
    """Estimate the bytes that the lists, objects, numbers and texts of JSON take beside the characters of texts."""
    if isinstance(text, bytes):
        return sum(cost * text.count(mark.encode()) for mark, cost in COSTS.items())
    return sum(cost * text.count(mark) for mark, cost in COSTS.items())


def is_heavy(text: bytes | str, longest: int) -> bool:
    """Tell JSON whose values would take more than a line of a corpus may.

    Args:
        text: the JSON, or what may be it.
        longest: bytes that a line may have.
    """
    return len(text) > SMALL and weight(text) > PER_BYTE * longest
