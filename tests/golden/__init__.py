"""Golden bytes: what each codec writes for the documents of `tests.support.documents`, in one file a codec.

A line is a kind and its bytes: JSON as the text itself, other formats as hex. `python -m tests.golden` writes the
files again after a deliberate change of a format; a change that nobody meant shows as a failing test.
"""

import json
from pathlib import Path

from serlab.codecs import codec_info, codec_names, open_codec
from serlab.messages import KINDS, from_document
from tests.support.documents import DOCUMENTS

FOLDER = Path(__file__).parent
CASES = [
    (codec, kind) for codec in codec_names() for kind in KINDS if kind != "document" or not codec_info(codec).schema
]


def encoded(codec: str, kind: str) -> bytes:
    """Encode the document of a kind."""
    return open_codec(codec, kind).encode(from_document(kind, DOCUMENTS[kind]))


def golden(codec: str, kind: str) -> bytes:
    """Read the bytes of a kind from a codec's file."""
    text = json.loads((FOLDER / f"{codec}.json").read_text())[kind]
    return text.encode() if "json" in codec else bytes.fromhex(text)


def write() -> None:
    """Write all files."""
    for codec in codec_names():
        texts = {kind: encoded(codec, kind) for name, kind in CASES if name == codec}
        shown = {kind: data.decode() if "json" in codec else data.hex() for kind, data in texts.items()}
        (FOLDER / f"{codec}.json").write_text(json.dumps(shown, ensure_ascii=False, indent=1) + "\n")
