"""Non-finite numbers: refused by JSON, carried by the others; what is known to be finite is not looked at again."""

import json
from collections import OrderedDict
from collections.abc import Iterator
from copy import copy
from typing import Any, get_type_hints

import msgspec
import numpy as np
import orjson
import pytest

from serlab.codecs import codec_names, open_codec
from serlab.errors import DocumentError, EncodeError
from serlab.generated import llm_pb2
from serlab.messages import MESSAGE_TYPES, ChatRequest, ChatResponse, EmbeddingResponse, from_document, to_document
from serlab.messages.base import Part, is_finite, is_sealed, may_hold_float
from serlab.messages.documents import fields_of

NON_FINITE = [float("nan"), float("inf"), float("-inf")]
NAMES = [name for name in codec_names() if not name.endswith("-fresh")]
JSON = [name for name in NAMES if "json" in name]
OTHERS = [name for name in NAMES if "json" not in name]

Step = tuple[str, type[Part], bool]
"""An attribute, the struct in it, and whether it stands in a list there."""


def places(type_: type[Part], path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], str, Any]]:
    """Walk a type: the way to each field that may hold a float, its name and its type; each struct once on a way."""
    hints = get_type_hints(type_, include_extras=True)
    for name, field in fields_of(type_).items():
        if may_hold_float(hints[name]):
            yield path, name, field
        for struct, listed in ((field.struct, False), (field.items, True)):
            if struct is not None and all(struct is not step[1] for step in path):
                yield from places(struct, (*path, (name, struct, listed)))


def holding(kind: str, path: tuple[Step, ...], name: str, value: Any) -> Any:
    """Make a message of a document and set a value in it by attribute."""
    message = holder = from_document(kind, {})
    for attribute, struct, listed in path:
        inner = struct()
        setattr(holder, attribute, [inner] if listed else inner)
        holder = inner
    assert is_sealed(message)
    setattr(holder, name, value)
    return message


def values(field: Any, number: float) -> list[Any]:
    """Return what the field may hold with the number in it: itself, in a list, in an object."""
    wanted = [number, [[number]], {"a": [None, number]}]
    return [value for value in wanted if fits(field.type, value)]


def fits(hint: Any, value: Any) -> bool:
    """Return whether a value is of a type but for its number, which the types bound to the finite ones."""
    try:
        msgspec.convert(finite_twin(value), hint)
    except msgspec.ValidationError:
        return False
    return True


def finite_twin(value: Any) -> Any:
    """Put 0.5 in the place of every number."""
    if isinstance(value, dict):
        return {key: finite_twin(item) for key, item in value.items()}
    return list(map(finite_twin, value)) if isinstance(value, list) else None if value is None else 0.5


@pytest.mark.slow
@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_json_refuses_and_others_carry_a_non_finite_number_in_every_place(kind: str) -> None:
    """Set by attribute in a message that was sealed, in typed fields and inside free-form values."""
    refusing = [open_codec(name, kind) for name in JSON]
    carrying = [open_codec(name, kind) for name in OTHERS]
    tried = 0
    for i, (path, name, field) in enumerate(places(MESSAGE_TYPES[kind])):
        for value in values(field, NON_FINITE[i % len(NON_FINITE)]):
            message = holding(kind, path, name, value)
            for codec in refusing:
                with pytest.raises(EncodeError):
                    codec.encode(message)
            expected = json.dumps(to_document(message), sort_keys=True)
            for codec in carrying:
                back = json.dumps(to_document(codec.decode(codec.encode(message))), sort_keys=True)
                assert back == expected, (codec.name, path, name, value)
            tried += 1
    assert tried > 10


@pytest.mark.parametrize("codec", JSON)
@pytest.mark.parametrize("number", NON_FINITE)
def test_json_refuses_what_was_made_by_hand(codec: str, number: float) -> None:
    """By a constructor, in what is left over, and in a plain document."""
    for message in (ChatRequest(temperature=number), ChatRequest(extra={"/a": [number]})):
        with pytest.raises(EncodeError, match=r"NaN|not JSON compliant"):
            open_codec(codec, ChatRequest).encode(message)
    with pytest.raises(EncodeError, match=r"NaN|not JSON compliant"):
        open_codec(codec, "document").encode({"a": [None, number]})


@pytest.mark.parametrize("codec", JSON)
def test_json_refuses_numbers_of_other_types_and_containers(codec: str) -> None:
    """What the libraries write as they write JSON's own: numpy's numbers, subclasses, tuples, arrays anywhere."""
    for value in (
        np.float64("nan"),
        np.float32("inf"),
        OrderedDict(a=NON_FINITE[0]),
        (NON_FINITE[1],),
        np.array([np.nan]),
    ):
        by_hand, sealed = ChatRequest(metadata=value), from_document(ChatRequest, {})
        sealed.metadata = [value]
        for message in (by_hand, sealed):
            with pytest.raises(EncodeError):
                open_codec(codec, ChatRequest).encode(message)
    for document in ({"metadata": OrderedDict(a=NON_FINITE[0])}, {"metadata": {"a": np.array([np.inf])}}):
        with pytest.raises(EncodeError):
            open_codec(codec, ChatRequest).encode(from_document(ChatRequest, document))


def test_value_that_holds_itself_ends() -> None:
    """In a refusal, not in a walk without end."""
    loop: dict[str, Any] = {}
    loop["a"] = [loop, loop]
    message = from_document(ChatRequest, {"metadata": loop})
    message.metadata = loop
    for name in NAMES:
        with pytest.raises(EncodeError):
            open_codec(name, ChatRequest).encode(message)


def test_number_set_inside_a_struct_breaks_the_seal_of_its_message() -> None:
    """A struct does not know in which message it stands."""
    message = from_document(ChatResponse, {"usage": {"total_time": 1.5}})
    message.usage.total_time = 2.5
    assert is_sealed(message)
    message.usage.total_time = float("nan")
    assert not is_sealed(message)
    message.usage.total_time = 2.5
    assert open_codec("orjson", ChatResponse).encode(message) == b'{"usage":{"total_time":2.5}}'


def test_object_changed_in_place_is_looked_at_when_it_is_set_again() -> None:
    """What the contract of a sealed message asks of who changes one."""
    message = from_document(ChatRequest, {"metadata": {"a": 1.5}})
    message.metadata["a"] = float("inf")
    message.metadata = message.metadata
    with pytest.raises(EncodeError):
        open_codec("orjson", ChatRequest).encode(message)


def test_only_what_is_known_to_be_finite_is_sealed() -> None:
    """A document that was looked at, and JSON by parsers that refuse other numbers; a copy may differ."""
    request = from_document(ChatRequest, {"temperature": 1.5})
    assert is_sealed(request)
    assert not is_sealed(copy(request))
    assert not is_sealed(ChatRequest())
    assert not is_sealed(from_document(ChatRequest, {"metadata": [float("nan")]}))
    sealing = {name for name in NAMES if seals(name, request)}
    assert sealing == {name for name in JSON if not name.startswith("json")}


def seals(name: str, request: ChatRequest) -> bool:
    """Return whether a codec's decode seals."""
    codec = open_codec(name, ChatRequest)
    return is_sealed(codec.decode(codec.encode(request)))


def test_seal_is_no_part_of_a_message() -> None:
    """Neither of its equality, nor of its text, nor of its fields."""
    sealed, by_hand = from_document(ChatRequest, {"model": "m"}), ChatRequest(model="m")
    assert sealed == by_hand
    assert repr(sealed) == repr(by_hand)
    assert "seal" not in ChatRequest.__struct_fields__


def test_array_changed_in_place_is_refused() -> None:
    """Arrays are looked at each time: that costs a fiftieth of writing them."""
    message = from_document(EmbeddingResponse, {"data": [{"embedding": [0.5, 0.25]}]})
    message.data[0].embedding[1] = np.nan
    for name in ("json", "orjson", "msgspec-json"):
        with pytest.raises(EncodeError):
            open_codec(name, EmbeddingResponse).encode(message)


def test_look_reaches_any_depth() -> None:
    """Deeper than the interpreter's stack."""
    deep: Any = float("inf")
    for _ in range(50_000):
        deep = [deep]
    assert not is_finite(deep)


def test_stages_are_the_libraries_own_callables() -> None:
    """No function of serlab's stands between a stage and its library."""
    orjson_codec = open_codec("orjson", ChatRequest)
    assert orjson_codec.serialize is orjson.dumps
    assert orjson_codec.deserialize is orjson.loads
    protobuf = open_codec("protobuf", ChatRequest)
    assert protobuf.serialize == llm_pb2.ChatRequest.SerializeToString
    assert protobuf.deserialize == llm_pb2.ChatRequest.FromString
    for name, protocol in (("msgspec-json", msgspec.json), ("msgspec-msgpack", msgspec.msgpack)):
        assert isinstance(open_codec(name, ChatRequest).serialize.__self__, protocol.Encoder)


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"logit_bias": {50256: -100}}, r"/logit_bias: expected keys that are strings, got int 50256"),
        ({"metadata": {"a": [{None: 1}]}}, r"/metadata/a/0: expected keys that are strings, got NoneType"),
        ({"metadata": {"a": {1, 2}}}, r"/metadata/a: expected a JSON value, got a set"),
        ({"unknown": [np.float32(1)]}, r"/unknown/0: expected a JSON value, got a float32"),
    ],
)
def test_document_with_what_is_no_json_value_is_refused(document: Any, where: str) -> None:
    """Each format would refuse it, or change it in a way of its own."""
    with pytest.raises(DocumentError, match=where):
        from_document(ChatRequest, document)
