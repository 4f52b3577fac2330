"""What is in a corpus: kinds, sizes, the lines that cannot be read, and what becomes of its bodies in each codec."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pandas as pd

from serlab.codecs import Codec
from serlab.corpus import read
from serlab.errors import SerlabError
from serlab.frames import decode_frame, encode_frame
from serlab.measure import Report, json_size, recorded
from serlab.messages import ChatChunk, from_document, same, to_document
from serlab.sse import DONE
from serlab.workloads import build, documents

MOST = 2000
"""Bodies that are looked at: each goes through every codec, so a long file would take long."""

QUANTILES = (0.5, 0.9, 0.99)


def take_stock(corpus: str, codecs: Sequence[str], most: int = MOST) -> tuple[Report, pd.DataFrame]:
    """Read a corpus and send each body through codecs.

    Args:
        corpus: the file.
        codecs: names.
        most: bodies that are read, from the start of the file.

    Returns:
        The report of `serlab check`, and one row for each body: line, kind and its bytes as compact JSON. No text of
        any body is kept.

    Raises:
        CorpusError: the file cannot be opened.
    """
    report = Report(codecs)
    records = []
    for body in islice(recorded(corpus, False, report.cannot_read), most):
        report.add(body)
        records.append({"line": body.line, "kind": body.kind, "json_bytes": json_size(body.document)})
    return report, pd.DataFrame(records, columns=["line", "kind", "json_bytes"])


def sizes_by_kind(bodies: pd.DataFrame) -> pd.DataFrame:
    """Sum up the bodies of each kind.

    Args:
        bodies: of `take_stock`.

    Returns:
        For each kind: how many, quantiles and the largest of their bytes, and its share of all bytes; the kind with
        the most bytes first.
    """
    groups = bodies.astype({"json_bytes": float}).groupby("kind")["json_bytes"]
    table = pd.DataFrame({"bodies": groups.size()})
    for quantile in QUANTILES:
        table[f"{quantile:.0%}_bytes"] = groups.quantile(quantile, interpolation="lower")
    table["largest_bytes"] = groups.max()
    table["share of bytes"] = groups.sum() / max(bodies["json_bytes"].sum(), 1)
    return table.sort_values("share of bytes", ascending=False)


def outcomes(report: Report) -> pd.DataFrame:
    """Count what became of the bodies in each codec.

    Returns:
        For each codec: equal, refused, changed and no schema.
    """
    return pd.DataFrame(report.codecs).T.rename(columns={"no_schema": "no schema"}).rename_axis("codec")


# A small corpus for who has none yet: the built-in workloads as a gateway would have recorded them.

BODIES = ("chat-turn", "agent-request", "azure-conv", "chat-response", "tool-call-response", "logprobs-response")
STREAM = "stream"
CUT = '{"model": "m", "messages": [{"role": "us'
"""What a recorder leaves that was killed while it wrote: the reader must say where, and go on."""

OTHER_API = {"kind": "tokens", "count": 812}
"""A body that no type here knows; it travels as a plain document."""


def write_example(path: str | Path, seed: int = 0) -> Path:
    """Write the example corpus.

    Args:
        path: a .jsonl file; .jsonl.gz is compressed.
        seed: of the workloads.

    Returns:
        The path; the same seed gives the same bytes.
    """
    path = Path(path)
    lines = [json.dumps(body, ensure_ascii=False) for name in BODIES for body in documents(name, seed)]
    lines += [json.dumps(_event_stream(documents(STREAM, seed))), json.dumps(OTHER_API), CUT]
    data = "\n".join(lines).encode() + b"\n"
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def _event_stream(chunks: list[Any]) -> str:
    """Write a stream's chunks as the body of an answer by server-sent events."""
    events = [*(json.dumps(chunk, ensure_ascii=False) for chunk in chunks), DONE.decode()]
    return "".join(f"data: {event}\n\n" for event in events)


# Streams with several tokens in a chunk: the other way to pay less for chunks than a change of format.
#
#     coalesced(build("stream"), 4)
#
# A chunk repeats the id, the model and the date of its answer, so that most of it is the same from one chunk to the
# next. Two chunks become one where nothing is lost by it: they differ in their text alone. What says more (a tool
# call, log probabilities, the finish reason, the usage) stays a chunk of its own.

COALESCING_MOST = 5000
"""Chunks that are read of a corpus: enough for a mean, and quickly read."""


def chunks_of(corpus: str = "") -> list[ChatChunk]:
    """Return the chunks of recorded streams, in the order of the file, or the built-in stream where there are none.

    Args:
        corpus: a file of recorded traffic; "" means the built-in workload `stream`.

    Raises:
        CorpusError: the file cannot be opened.
    """
    found = list(islice(_recorded_chunks(corpus), COALESCING_MOST)) if corpus else []
    return found or build("stream")


def _recorded_chunks(corpus: str) -> Iterator[ChatChunk]:
    """Yield a corpus's chunks; a body that cannot become one is passed over, as the parity check names it."""
    for body in read(corpus):
        if body.kind == "ChatChunk":
            try:
                yield from_document(body.kind, body.document)
            except SerlabError:
                continue


def text_of(chunk: ChatChunk) -> str:
    """Return the text that a chunk adds to the answer."""
    choices: Any = chunk.choices or ()
    contents = (choice.delta.content for choice in choices if choice.delta)
    return "".join(content for content in contents if type(content) is str)


def _frame_of(chunk: ChatChunk) -> Any:
    """Return what a chunk says beside its text, as a document; None where that is more than joining may drop."""
    document: dict[str, Any] = to_document(chunk)
    choices: list[dict[str, Any]] = document.get("choices") or []
    if len(choices) != 1 or document.get("usage"):
        return None
    delta = choices[0].get("delta") or {}
    if type(delta.pop("content", None)) is not str or any(_has_more(choices[0], {"index", "delta"})):
        return None
    # Padding that hides the length of a token; the joined chunk keeps the first one's.
    document.pop("obfuscation", None)
    return None if any(_has_more(delta, {"role"})) else document


def _has_more(part: dict[str, Any], known: set[str]) -> Iterator[Any]:
    """Return what stands in a part of a chunk beside what is known."""
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
        frame = _frame_of(chunk)
        if frame is not None and frame == last and len(groups[-1]) < most:
            groups[-1].append(chunk)
        else:
            groups.append([chunk])
        last = frame
    return [group[0] if len(group) == 1 else _joined(group) for group in groups]


def _joined(chunks: list[ChatChunk]) -> ChatChunk:
    """Make one chunk with the text of several, and the first one's all else."""
    choices: Any = chunks[0].choices
    choice = choices[0]
    delta = msgspec.structs.replace(choice.delta, content="".join(map(text_of, chunks)))
    return msgspec.structs.replace(chunks[0], choices=[msgspec.structs.replace(choice, delta=delta)])


# One flipped bit: does a codec notice, and does a frame?
#
#     flips(open_codec("orjson", "ChatRequest"), message, trials=500)
#     flips(..., framed=True)
#
# A bit may flip in a faulty memory or disk, or in a proxy; TCP's checksum of 16 bits lets some through.

REFUSED, UNNOTICED, HARMLESS = "refused", "changed without an error", "no effect"
OUTCOMES = (REFUSED, UNNOTICED, HARMLESS)


def flips(codec: Codec, message: Any, trials: int, seed: int = 0, *, framed: bool = False) -> dict[str, int]:
    """Flip one bit of an encoded message, decode it, and compare; again and again.

    Args:
        codec: bound to the message's type.
        message: what is encoded.
        trials: how often, each time another bit by chance.
        seed: of the chance.
        framed: whether the message travels in a frame, whose bits are flipped as well.

    Returns:
        Outcome → how often, for each of `OUTCOMES`; bits that mean nothing, such as padding, have no effect.
    """
    random = Random(seed)
    data = codec.encode(message)
    sent = encode_frame(data) if framed else data
    expected = to_document(message)
    found = Counter(_outcome(codec, flipped(sent, random), expected, framed) for _ in range(trials))
    return {name: found[name] for name in OUTCOMES}


def flipped(data: bytes, random: Random) -> bytes:
    """Flip one bit by chance."""
    place = int(random.random() * len(data) * 8)
    copy = bytearray(data)
    copy[place // 8] ^= 1 << place % 8
    return bytes(copy)


def _outcome(codec: Codec, sent: bytes, expected: Any, framed: bool) -> str:
    """Return what becomes of damaged bytes."""
    try:
        got = to_document(codec.decode(decode_frame(sent) if framed else sent))
    except SerlabError:
        return REFUSED
    return HARMLESS if same(expected, got) else UNNOTICED
