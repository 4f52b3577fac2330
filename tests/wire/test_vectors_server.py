"""The experiment on the form of vectors: its arms, its rows, and what must hold of them on any machine."""

from base64 import b64encode
from typing import Any

import numpy as np
import pytest

from serlab.cases import CONTROL, FLOOR
from serlab.errors import ServiceError
from serlab.measure.job import Figure, Record
from serlab.measure.wire import METRICS
from serlab.messages import from_document
from serlab.wire.experiments import run
from serlab.wire.experiments.vectors import agree, array_of, fitting, forms_of, shapes_of
from tests.conftest import WIRE_CODECS
from tests.support.jobs import all_of, figures_of, wire_job
from tests.wire.helpers import bounded

LIST, BASE64, BIN, PACKED = (f"wire/vectors/{form}" for form in ("list", "base64", "bin", "packed"))
DOCUMENT = {"object": "list", "data": [{"object": "embedding", "index": i, "embedding": [0.5] * 200} for i in range(3)]}


def figures(*codecs: str, documents: list[Any] | None = None) -> dict[tuple[str, str, str], float]:
    """Run the experiment; (operation, codec, metric) → value."""
    records: list[Record] = []
    run(wire_job("vectors", "embeddings", codecs, documents=documents), records.append)
    assert all(one.unit == METRICS[one.metric] and one.value > 0 for one in all_of(Figure, records))
    return figures_of(records)


def test_every_form_has_its_codecs_and_figures() -> None:
    """JSON gives lists and base64, MessagePack lists and bin, the schema formats packed; each form has a floor."""
    found = figures(*WIRE_CODECS, documents=[DOCUMENT])
    arms = {(operation, codec) for operation, codec, _ in found}
    texts = {(form, codec) for form in (LIST, BASE64) for codec in ("orjson", "json", "msgspec-json")}
    packs = {(LIST, "msgpack"), (LIST, "msgspec-msgpack"), (BIN, "msgpack-bin"), (BIN, "msgspec-msgpack-bin")}
    schemas = {(PACKED, "protobuf"), (PACKED, "flatbuffers")}
    floors = {(form, f"{FLOOR}not decoded") for form in (LIST, BASE64, BIN, PACKED)}
    assert arms == texts | packs | schemas | floors | {(LIST, f"orjson{CONTROL}")}
    for arm in arms:
        expected = {"latency", "client-cpu"} | (set() if arm in floors else {"body-bytes"})
        assert {metric for *place, metric in found if tuple(place) == arm} == expected
    raw = 3 * 200 * 4
    assert found[LIST, "orjson", "body-bytes"] == found[LIST, f"orjson{CONTROL}", "body-bytes"] > 2 * raw
    for packed in ((PACKED, "protobuf"), (PACKED, "flatbuffers"), (BIN, "msgpack-bin")):
        assert raw < found[*packed, "body-bytes"] < raw + 700
    assert raw * 4 / 3 < found[BASE64, "orjson", "body-bytes"] < raw * 4 / 3 + 700


def test_built_in_workload_and_another_baseline() -> None:
    """The baseline is measured twice in its first form."""
    found = figures("protobuf")
    assert {codec for _, codec, _ in found} == {"protobuf", f"protobuf{CONTROL}", f"{FLOOR}not decoded"}
    assert 32 * 1536 * 4 < found[PACKED, "protobuf", "body-bytes"] < 33 * 1536 * 4


@pytest.mark.parametrize(
    ("codec", "forms"),
    [
        ("json-fresh", [("json-fresh", "list"), ("json-fresh", "base64")]),
        ("orjson-base64", [("orjson-base64", "base64")]),
        ("msgpack-bin", [("msgpack-bin", "bin")]),
        ("msgpack-fresh", [("msgpack-fresh", "list")]),
        ("flatbuffers-official", [("flatbuffers-official", "packed")]),
    ],
)
def test_variants_have_the_form_that_they_write(codec: str, forms: list[tuple[str, str]]) -> None:
    """A variant for vectors has one form, and a variant for something else that of its codec."""
    assert forms_of(codec) == forms


@pytest.mark.parametrize(
    ("document", "shape"),
    [
        (DOCUMENT, (3, 200)),
        ({"data": [{"embedding": b64encode(bytes(28)).decode()}]}, (1, 7)),
        ({"embeddings": [[0.5, 1.5], [2.5, 3.5]]}, (2, 2)),
        ({"embeddings": [{"values": [0.5, 1.5, 2.5]}]}, (1, 3)),
        ({"embeddings": {"float": [[0.5], [1.5]], "int8": [[1, 2]]}}, (2, 1)),
        ({"embedding": [1, 2, 3, 4]}, (1, 4)),
        ({"embedding": {"values": [0.25]}}, (1, 1)),
        ({"data": [], "object": "list"}, None),
        ({"error": {"message": "no"}}, None),
    ],
)
def test_shape_of_vectors_is_found_wherever_an_api_puts_them(document: Any, shape: Any) -> None:
    """How many vectors, and of how many numbers; nothing where there are none."""
    assert next(shapes_of(from_document("EmbeddingResponse", document)), None) == shape


@pytest.mark.parametrize("size", range(1, 40))
def test_length_of_base64_is_that_of_its_numbers(size: int) -> None:
    """With and without padding."""
    text = b64encode(bytes(4 * size)).decode()
    for given in (text, text.rstrip("=")):
        document = {"data": [{"embedding": given}]}
        assert list(shapes_of(from_document("EmbeddingResponse", document))) == [(1, size)]


def test_vectors_that_the_server_does_not_make_are_passed_over() -> None:
    """More numbers than it gives are no shape of a call; without any the experiment says what it expected."""
    huge = {"data": [{"embedding": [0.5] * 70_000}]}
    assert fitting(from_document("EmbeddingResponse", huge)) is None
    with pytest.raises(ServiceError, match="embeddings: expected messages with vectors, got none"):
        figures("orjson", documents=[{"data": []}])


def test_any_decoded_vector_becomes_the_array() -> None:
    """Text, list and array give the same float32 numbers, and an array that is one is not copied."""
    array = np.array([0.5, -1.25, 3.0], np.float32)
    for given in (b64encode(array.tobytes()).decode(), array.tolist(), array.astype(np.float64), array):
        assert array_of(given).dtype == np.float32 and np.array_equal(array_of(given), array)
    assert array_of(array) is array


def test_numbers_that_differ_stop_the_experiment() -> None:
    """A form that brings other numbers, types or shapes is named."""

    class Fake:
        name = "fake wire/vectors/list"

        def __init__(self, array: Any) -> None:
            self.array = array

        def request(self, _: Any) -> None:
            """Ask for nothing."""

        async def call(self, _: Any) -> Any:
            return self.array

    right = np.ones((2, 3), np.float32)
    good: Any = [Fake(right), Fake(right.copy())]
    bounded(agree(good, [(2, 3)]))
    for wrong in (right + 1, right.astype(np.float64), right.reshape(3, 2)):
        bad: Any = [Fake(right), Fake(wrong)]
        with pytest.raises(ServiceError, match="fake wire/vectors/list: expected the vectors that others bring"):
            bounded(agree(bad, [(2, 3)]))
