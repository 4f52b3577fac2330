"""The built-in workloads: the same bytes on every machine, of the sizes that they document."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serlab import workloads
from serlab.codecs import open_codec
from serlab.errors import UnknownNameError
from serlab.kinds import recognise
from serlab.messages import MESSAGE_TYPES, from_document, to_document
from serlab.messages.base import NO_EXTRA
from serlab.workloads import PERCENT, TRACES, tokens_at
from tests.support.checks import assert_same_values
from tests.support.documents import DOCUMENTS
from tests.support.loops import every

NAMES = workloads.names()
FOLDER = Path(__file__).resolve().parents[3] / "shared" / "traces"

DIGESTS = {
    "chat-turn": "e34b79283d4460bd",
    "agent-request": "8e2196c1cd330d1a",
    "rag-request": "fb6e44314c98044e",
    "image-request": "dc0a738140d8718c",
    "tool-call-response": "976cb1ad6e96a473",
    "chat-response": "1a11325889743adf",
    "logprobs-response": "1ce8ed603244cb45",
    "stream": "9fe66c45c2462301",
    "embeddings": "f4d31faa81b23bbd",
    "token-ids": "663c3b5afe9b5ce5",
    "azure-conv": "01fda0fefdc92d38",
    "azure-code": "952ad77b3dd0d545",
    "mooncake-conv": "5c464b7209591fa9",
}
"""SHA-256 of the compact JSON of a workload's documents at seed 0, its first 16 digits."""

SIZES = {
    "chat-turn": (1_800, 2_300),
    "agent-request": (85_000, 115_000),
    "rag-request": (36_000, 46_000),
    "image-request": (1_048_576, 1_050_000),
    "tool-call-response": (800, 1_500),
    "chat-response": (1_800, 2_600),
}
"""Bytes of compact JSON, as the descriptions say."""


def canonical(documents: Any) -> bytes:
    """Write documents so that equal ones give equal bytes."""
    return json.dumps(documents, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("name", NAMES)
def test_workload_is_the_same_on_every_machine(name: str) -> None:
    """Its digest is what it was when the test was written."""
    assert hashlib.sha256(canonical(workloads.documents(name))).hexdigest()[:16] == DIGESTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_workload_is_equal_for_the_same_seed_and_other_for_another(name: str) -> None:
    """Messages are equal, not identical; another seed keeps the number of them."""
    first, again, other = workloads.build(name), workloads.build(name, 0), workloads.build(name, 1)
    assert first == again
    assert first[0] is not again[0]
    assert len(other) == len(first)
    assert other != first


@pytest.mark.parametrize("name", NAMES)
def test_workload_is_of_its_kind_and_leaves_extra_empty(name: str) -> None:
    """The types cover it, and its shape is recognised."""
    for document in workloads.documents(name):
        assert recognise(document) == workloads.kind(name)
        message = from_document(workloads.kind(name), document)
        assert message.extra is NO_EXTRA
        assert to_document(message) == document
    assert workloads.WORKLOADS[name].description


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_workload_is_about_as_large_as_documented(name: str, seed: int) -> None:
    """Whatever the seed."""
    least, most = SIZES[name]
    (document,) = workloads.documents(name, seed)
    assert least <= len(canonical(document)) <= most


def test_workloads_of_numbers_have_the_documented_shapes() -> None:
    """500 tokens × 5, 500 chunks, 32 × 1,536 float32, 40,000 ids, 16 requests."""
    (logprobs,) = workloads.build("logprobs-response")
    content = logprobs.choices[0].logprobs.content
    assert (len(content), {len(entry.top_logprobs) for entry in content}) == (500, {5})
    assert len(workloads.build("stream")) == 500
    (embeddings,) = workloads.build("embeddings")
    assert {(item.embedding.dtype.name, item.embedding.shape) for item in embeddings.data} == {("float32", (1536,))}
    assert len(embeddings.data) == 32
    (ids,) = workloads.build("token-ids")
    assert len(ids.prompt_token_ids) == 40_000
    assert {len(workloads.build(name)) for name in TRACES} == {16}


def test_image_does_not_compress() -> None:
    """Base64 of noise, as of a JPEG, has 6 bits a character."""
    (document,) = workloads.documents("image-request")
    url = document["messages"][0]["content"][1]["image_url"]["url"]
    counts = np.unique(list(url.partition(",")[2].encode()), return_counts=True)[1]
    assert len(counts) == 64
    assert counts.min() > 0.95 * counts.max()


def test_rag_request_is_english_and_chinese() -> None:
    """Both scripts, so that formats that escape one show it."""
    text = workloads.build("rag-request")[0].messages[-1].content
    share = sum("\u4e00" <= character <= "\u9fff" for character in text) / len(text)
    assert 0.1 < share < 0.5


def test_unknown_workload_suggests_the_nearest() -> None:
    """As every name does."""
    with pytest.raises(UnknownNameError, match="did you mean 'chat-turn'"):
        workloads.build("chat-trun")


@every("kind", MESSAGE_TYPES)
@every("codec", ["orjson", "protobuf", "flatbuffers"])
def test_read_one_reads_the_same_field_of_message_and_view(kind: str, codec: str) -> None:
    """The field that a table names is there in every kind."""
    reader = workloads.read_one(kind)
    assert reader is not None
    message = from_document(kind, DOCUMENTS[kind])
    bound = open_codec(codec, kind)
    assert_same_values(reader(bound.open(bound.encode(message))), reader(message))


def test_document_has_no_field_to_read() -> None:
    """Any JSON has no names in common."""
    assert workloads.read_one("document") is None


@pytest.mark.parametrize("name", TRACES)
def test_quantiles_interpolate_and_do_not_fall(name: str) -> None:
    """The table's own values stand at its percentages."""
    for quantiles in TRACES[name]:
        assert [tokens_at(quantiles, percent / 100) for percent in PERCENT] == list(quantiles)
        drawn = [tokens_at(quantiles, share / 500) for share in range(501)]
        assert drawn == sorted(drawn)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the published traces are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("azure-conv", "AzureLLMInferenceTrace_conv.csv"),
        ("azure-code", "AzureLLMInferenceTrace_code.csv"),
        ("mooncake-conv", "mooncake_conversation_lengths.csv"),
    ],
)
def test_quantiles_agree_with_the_published_trace(name: str, file: str) -> None:
    """The tables were read off these files."""
    with (FOLDER / file).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = [key for key in rows[0] if "input" in key.lower() or "context" in key.lower()]
    columns += [key for key in rows[0] if "output" in key.lower() or "generated" in key.lower()]
    for column, quantiles in zip(columns, TRACES[name], strict=True):
        lengths = np.array([int(row[column]) for row in rows])
        assert np.percentile(lengths, PERCENT) == pytest.approx(quantiles, rel=0.002, abs=1)
