"""A small corpus for who has none yet: the built-in workloads as a gateway would have recorded them."""

import gzip
import json
from pathlib import Path
from typing import Any

from serlab.sse import DONE
from serlab.workloads import documents

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
    lines += [json.dumps(event_stream(documents(STREAM, seed))), json.dumps(OTHER_API), CUT]
    data = "\n".join(lines).encode() + b"\n"
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def event_stream(chunks: list[Any]) -> str:
    """Write a stream's chunks as the body of an answer by server-sent events."""
    events = [*(json.dumps(chunk, ensure_ascii=False) for chunk in chunks), DONE.decode()]
    return "".join(f"data: {event}\n\n" for event in events)
