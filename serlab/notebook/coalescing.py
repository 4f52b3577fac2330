"""Streams with several tokens in a chunk: the other way to pay less for chunks than a change of format.

    coalesced(build("stream"), 4)

A chunk repeats the id, the model and the date of its answer, so that most of it is the same from one chunk to the next.
Two chunks become one where nothing is lost by it: they differ in their text alone. What says more (a tool call, log
probabilities, the finish reason, the usage) stays a chunk of its own.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from serlab.corpus import read
from serlab.errors import SerlabError
from serlab.messages import ChatChunk, from_document, to_document
from serlab.workloads import build

MOST = 5000
"""Chunks that are read of a corpus: enough for a mean, and quickly read."""


def chunks_of(corpus: str = "") -> list[ChatChunk]:
    """Give the chunks of recorded streams, in the order of the file, or the built-in stream where there are none.

    Args:
        corpus: a file of recorded traffic; "" means the built-in workload `stream`.

    Raises:
        CorpusError: the file cannot be opened.
    """
    found = list(islice(recorded_chunks(corpus), MOST)) if corpus else []
    return found or build("stream")


def recorded_chunks(corpus: str) -> Iterator[ChatChunk]:
    """Give a corpus's chunks; a body that cannot become one is passed over, as the parity check names it."""
    for body in read(corpus):
        if body.kind == "ChatChunk":
            try:
                yield from_document(body.kind, body.document)
            except SerlabError:
                continue


def text_of(chunk: ChatChunk) -> str:
    """Give the text that a chunk adds to the answer."""
    choices: Any = chunk.choices or ()
    contents = (choice.delta.content for choice in choices if choice.delta)
    return "".join(content for content in contents if type(content) is str)


def frame_of(chunk: ChatChunk) -> Any:
    """Give what a chunk says beside its text, as a document; None where that is more than joining may drop."""
    document: dict[str, Any] = to_document(chunk)
    choices: list[dict[str, Any]] = document.get("choices") or []
    if len(choices) != 1 or document.get("usage"):
        return None
    delta = choices[0].get("delta") or {}
    if type(delta.pop("content", None)) is not str or any(has_more(choices[0], {"index", "delta"})):
        return None
    # Padding that hides the length of a token; the joined chunk keeps the first one's.
    document.pop("obfuscation", None)
    return None if any(has_more(delta, {"role"})) else document


def has_more(part: dict[str, Any], known: set[str]) -> Iterator[Any]:
    """Give what stands in a part of a chunk beside what is known."""
    return (value for name, value in part.items() if name not in known)


def coalesced(chunks: Iterable[ChatChunk], most: int) -> list[ChatChunk]:
    """Put up to `most` chunks of text into one.

    Args:
        chunks: of one stream or of several one after another.
        most: chunks that become one, at least 1.

    Returns:
        Fewer chunks with the same text in the same order; what is not text alone is as it was.
    """
    groups: list[list[ChatChunk]] = []
    last = None
    for chunk in chunks:
        frame = frame_of(chunk)
        if frame is not None and frame == last and len(groups[-1]) < most:
            groups[-1].append(chunk)
        else:
            groups.append([chunk])
        last = frame
    return [group[0] if len(group) == 1 else joined(group) for group in groups]


def joined(chunks: list[ChatChunk]) -> ChatChunk:
    """Make one chunk with the text of several, and the first one's all else."""
    choices: Any = chunks[0].choices
    choice = choices[0]
    delta = msgspec.structs.replace(choice.delta, content="".join(map(text_of, chunks)))
    return msgspec.structs.replace(chunks[0], choices=[msgspec.structs.replace(choice, delta=delta)])
