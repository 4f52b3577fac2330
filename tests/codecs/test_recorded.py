"""Recorded traffic, where it lies beside the checkout: every body through every codec."""

from pathlib import Path

import pytest

from serlab.codecs import codec_info, codec_names, open_codec
from serlab.corpus import read
from serlab.messages import first_difference, from_document, to_document

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "corpus"
FILES = sorted(FOLDER.glob("*.jsonl"))

pytestmark = pytest.mark.skipif(not FILES, reason="no recorded traffic beside the checkout")


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recorded_body_comes_back_from_every_codec(path: Path) -> None:
    """Equal, none refused, none changed; a document travels through the codecs without a schema."""
    bodies = list(read(path, strict=True))
    assert bodies
    for body in bodies:
        message = from_document(body.kind, body.document)
        for codec in codec_names():
            if body.kind == "document" and codec_info(codec).schema:
                continue
            bound = open_codec(codec, body.kind)
            back = to_document(bound.decode(bound.encode(message)))
            assert first_difference(body.document, back) == "", f"{codec}, line {body.line}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_body_is_of_the_kind_that_its_file_holds(path: Path) -> None:
    """Bodies of the Anthropic and Responses APIs are documents; a stray body of a chat file may be."""
    kinds = [body.kind for body in read(path, strict=True)]
    expected = {
        "openai_chat_requests": "ChatRequest",
        "openai_chat_responses": "ChatResponse",
        "openai_chat_sse": "ChatChunk",
        "embeddings_requests": "EmbeddingRequest",
        "embeddings_responses": "EmbeddingResponse",
    }.get(path.stem, "document")
    allowed = 0 if expected == "document" else len(kinds) // 20
    assert sum(kind != expected for kind in kinds) <= allowed
