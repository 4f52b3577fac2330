"""A message says one thing: `extra` holds what `from_document` would write there, or is refused."""

import json
import math
import tracemalloc
from copy import deepcopy
from functools import partial
from types import SimpleNamespace
from typing import Any

import flatbuffers
import msgpack
import msgspec
import pytest
from hypothesis import given

from serlab.codecs import codec_info, codec_names, open_codec
from serlab.codecs.flatbuffers import verify
from serlab.codecs.flatbuffers_official import write_table
from serlab.codecs.schema import UnionCase, plan_of, structs_of
from serlab.errors import DecodeError, DocumentError, EncodeError
from serlab.generated import llm_pb2
from serlab.messages import (
    MESSAGE_TYPES,
    UNSET,
    ChatRequest,
    apply_extra,
    brief,
    documents,
    extra,
    from_document,
    same,
    to_document,
)
from serlab.messages.base import NO_EXTRA
from serlab.messages.chat import ChatTurn
from serlab.messages.content import ContentPart, StreamOptions
from serlab.messages.documents import MANY, PIECES, converter, fields_of
from tests.support.extras import check_agreement, hostile, is_written, unchecked, unfit_values
from tests.support.loops import every

WITH_EXTRA = ("protobuf", "flatbuffers")
"""The codecs that have `extra` on the wire and check what they read."""

TURN = ChatTurn(role="user", content="a")
HOSTILE: dict[str, ChatRequest] = {
    "filled": ChatRequest(model="cheap", extra={"/model": "expensive"}),
    "null": ChatRequest(model=None, extra={"/model": 5}),
    "filled-struct": ChatRequest(stream_options=StreamOptions(), extra={"/stream_options": 5}),
    "fits": ChatRequest(extra={"/model": "expensive"}),
    "fits-null": ChatRequest(extra={"/model": None}),
    "stream": ChatRequest(model="m", extra={"/stream": True}),
    "fits-inside": ChatRequest(messages=[TURN], extra={"/messages/0/name": "n"}),
    "fits-list": ChatRequest(extra={"/messages": [{"role": "user"}]}),
    "fits-list-in-part": ChatRequest(extra={"/messages": [{"role": 5}]}),
    "fits-object-in-part": ChatRequest(extra={"/stream_options": {"x": 1}}),
    "whole": ChatRequest(model="cheap", extra={"": {"model": "expensive"}}),
    "whole-alone": ChatRequest(extra={"": {"model": "expensive"}}),
    "whole-beside-field": ChatRequest(model="cheap", extra={"": [1]}),
    "whole-beside-null": ChatRequest(model=None, extra={"": [1]}),
    "whole-beside-entry": ChatRequest(extra={"": [1], "/x": 1}),
    "nothing-there": ChatRequest(model="m", extra={"/messages/0/role": "system"}),
    "beyond-the-end": ChatRequest(messages=[TURN], extra={"/messages/1": 5}),
    "below-beyond": ChatRequest(messages=[TURN], extra={"/messages/1/x": 5}),
    "at-the-end": ChatRequest(messages=[TURN], extra={"/messages/-": 5}),
    "negative": ChatRequest(messages=[ChatTurn()], extra={"/messages/-1": 5}),
    "leading-zero": ChatRequest(messages=[ChatTurn()], extra={"/messages/00": 5}),
    "other-digits": ChatRequest(messages=[ChatTurn()], extra={"/messages/٠": 5}),
    "long-digits": ChatRequest(messages=[ChatTurn()], extra={"/messages/" + "1" * 5000: 5}),
    "no-digits": ChatRequest(messages=[ChatTurn()], extra={"/messages/": 5}),
    "filled-item": ChatRequest(messages=[TURN], extra={"/messages/0": 5}),
    "item-fits": ChatRequest(messages=[ChatTurn()], extra={"/messages/0": {"role": "user"}}),
    "item-fits-empty": ChatRequest(messages=[ChatTurn()], extra={"/messages/0": {}}),
    "inside-an-entry": ChatRequest(messages=[ChatTurn()], extra={"/messages/0": 5, "/messages/0/x": 1}),
    "inside-unknown": ChatRequest(extra={"/x": {}, "/x/y": 1}),
    "below-unknown": ChatRequest(extra={"/x/y": 1}),
    "below-text": ChatRequest(model="m", extra={"/model/x": 1}),
    "below-free-form": ChatRequest(metadata={"a": 1}, extra={"/metadata/b": 1}),
    "no-slash": ChatRequest(extra={"x": 1}),
    "odd-escape": ChatRequest(extra={"/~2": 1}),
    "bare-tilde": ChatRequest(extra={"/a~": 1}),
    "odd-escape-inside": ChatRequest(messages=[TURN], extra={"/messages/0/~": 1}),
    "odd-escape-on-the-way": ChatRequest(messages=[TURN], extra={"/messa~ges/0/x": 1}),
}

HONEST: dict[str, dict[str, Any]] = {
    "unknown": {"x": {"a": [1, None]}, "": 1, "~2": 2, "a/b": 3, "$extra": 4, "extra": 5, "-": 6, "0": 7},
    "unknown-inside": {"messages": [{"role": "user", "y": 1.5, "content": [{"type": "text", "z~": 1}]}, {"": 1}]},
    "text-for-number": {"temperature": "0.7", "max_tokens": {}, "stream": "true"},
    "number-for-text": {"model": 5},
    "item": {"messages": [{"role": "user"}, 5, {}, {"role": 1}, None]},
    "object-for-list": {"messages": {"0": {}}},
    "list-for-object": {"stream_options": [], "tools": 7, "tool_choice": [1]},
}


@every("case", HOSTILE)
def test_bytes_that_say_two_things_are_refused(case: str) -> None:
    """By decode, view and relay; nor are they written, and the message has no document."""
    message = HOSTILE[case]
    assert not is_written(message)
    for name in WITH_EXTRA:
        codec = open_codec(name, "ChatRequest")
        data = unchecked(codec, message)
        for call in (codec.decode, codec.open, partial(codec.relay, route=other)):
            with pytest.raises(DecodeError, match=f"{name}: .*extra: "):
                call(data)
        with pytest.raises(EncodeError, match="extra: "):
            codec.encode(message)
    with pytest.raises(DecodeError, match=r"flatbuffers: .*extra: "):
        verify("ChatRequest", unchecked(open_codec("flatbuffers", "ChatRequest"), message))
    with pytest.raises(DocumentError, match="extra: "):
        to_document(message)


def test_a_pointer_that_comes_twice_is_refused() -> None:
    """Whichever would win."""
    request = llm_pb2.ChatRequest(model="m")
    for text in ("1", "2"):
        request.extra.add(pointer="/x", json=text)
    with pytest.raises(DecodeError, match="expected one entry, got several"):
        open_codec("protobuf", "ChatRequest").decode(request.SerializeToString())
    flat = open_codec("flatbuffers", "ChatRequest")
    data = flat.encode(ChatRequest(model="m", extra={"/x": 1, "/y": 2})).replace(b"/y\0", b"/x\0")
    for call in (flat.decode, flat.open):
        with pytest.raises(DecodeError, match="expected one entry, got several"):
            call(data)


@pytest.mark.parametrize("case", HONEST)
def test_what_does_not_fit_comes_back(case: str) -> None:
    """Through every codec, and all say the same."""
    message = from_document("ChatRequest", deepcopy(HONEST[case]))
    assert message.extra is not NO_EXTRA and is_written(message)
    check_agreement(message)


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_a_value_that_does_not_fit_comes_back_from_every_field(kind: str) -> None:
    """One field after another, with each value that its type does not take; a body that is no object too."""
    fields = fields_of(MESSAGE_TYPES[kind])
    seen = 0
    for document in ({name: value} for name, field in fields.items() for value in unfit_values(field)):
        message = from_document(kind, document)
        assert message.extra and is_written(message)
        assert all(same(to_document(back), document) for back in there_and_back(message))
        seen += 1
    assert seen > len(fields)
    for body in (None, [], [{"model": "m"}], "text", 5, 1.5, True):
        assert all(same(to_document(back), body) for back in there_and_back(from_document(kind, body)))


def there_and_back(message: Any) -> list[Any]:
    """Send a message through the codecs that check its `extra`: decoded and viewed."""
    codecs = [open_codec(name, type(message).__name__) for name in WITH_EXTRA]
    found = [codec.decode(codec.encode(message)) for codec in codecs]
    return [*found, codecs[1].open(codecs[1].encode(message)).materialize()]


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_any_extra_is_what_a_document_is_written_as_or_refused(kind: str) -> None:
    """The check is the definition; what passes says one thing everywhere."""

    @given(hostile(kind))
    def holds(message: Any) -> None:
        written = is_written(message)
        for name in WITH_EXTRA:
            codec = open_codec(name, kind)
            data = unchecked(codec, message)
            for call in (codec.decode, codec.open, partial(codec.relay, route=other)):
                assert accepts(call, data) is written
        if written:
            check_agreement(message)

    holds()


@pytest.mark.parametrize("kind", ["ChatRequest", "ChatResponse"])
def test_any_list_stands_in_extra_in_the_one_way(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, where lists are left over whole from few entries on, so that a search comes there."""
    for module in (documents, extra):
        monkeypatch.setattr(module, "MANY", 2)
        monkeypatch.setattr(module, "PIECES", 3)

    @given(hostile(kind))
    def holds(message: Any) -> None:
        codec = open_codec("protobuf", kind)
        assert accepts(codec.decode, unchecked(codec, message)) is is_written(message)

    holds()


def other(model: Any, stream: Any) -> str:
    """Choose a model."""
    return "other"


def accepts(call: Any, data: bytes) -> bool:
    """Return whether bytes are accepted; a body without a model is, though there is nothing to relay."""
    try:
        call(data)
    except DecodeError:
        return False
    except EncodeError:
        return True
    return True


@every("codec", codec_names())
@every("model", [5, ["m"], {"name": "m"}, True, 1.5])
def test_relay_replaces_a_model_that_is_no_name(codec: str, model: Any) -> None:
    """The route sees what the attribute says, and the document then names the chosen one."""
    document = {"model": model, "stream": "yes", "messages": [{"role": "user"}, 5], "x": 1}
    bound, seen = open_codec(codec, "ChatRequest"), []

    def route(*told: Any) -> str:
        seen.append(told)
        return "other"

    passed = bound.relay(bound.encode(from_document("ChatRequest", document)), route)
    message = bound.decode(passed)
    assert seen == [(UNSET, UNSET)]
    assert message.model == "other" and same(to_document(message), {**document, "model": "other"})


@every("codec", codec_names())
@every("body", [[1], "text", None])
def test_a_body_that_is_no_object_has_no_model_to_choose(codec: str, body: Any) -> None:
    """As it is, or in `extra`."""
    bound = open_codec(codec, "ChatRequest")
    with pytest.raises(EncodeError, match=f"an object with a model, got a {type(body).__name__}"):
        bound.relay(bound.encode(from_document("ChatRequest", body)), other)


def test_a_document_is_routed_by_what_it_holds() -> None:
    """It has no types, so nothing in it is of another."""
    seen: list[Any] = []
    for name in codec_names():
        if not codec_info(name).schema:
            bound = open_codec(name, "document")
            bound.relay(bound.encode({"model": 5, "stream": "yes"}), lambda *told: seen.append(told) or "other")
    assert set(seen) == {(5, "yes")}


def test_no_field_has_both_an_object_and_a_list_of_objects() -> None:
    """So the types alone tell what a pointer leads to."""
    structs = structs_of(list(MESSAGE_TYPES.values()))
    assert not [field for struct in structs for field in fields_of(struct).values() if field.struct and field.items]


def part(entries: dict[str, Any], pointer: str, fields: int) -> dict[str, Any]:
    """Return an object with unknown fields, and enter them."""
    names = [f"x{i}" for i in range(fields)]
    entries |= {f"{pointer}/{name}": 1 for name in names}
    return dict.fromkeys(names, 1)


@every("strangers", [0, MANY - 1, MANY])
@every("fields", [(0, 0), (PIECES - MANY, 0), (PIECES, 0), (PIECES + 1, 0), (5, PIECES - 5), (6, PIECES)])
def test_a_list_in_which_much_does_not_fit_stands_in_extra_whole(strangers: int, fields: tuple[int, int]) -> None:
    """There is one `extra` for it: entries for its parts are refused from there on, and the whole list before."""
    entries: dict[str, Any] = {}
    inner = {"type": "text", **part(entries, "/messages/1/content/0", fields[1])}
    turns = [{**part(entries, "/messages/0", fields[0])}, {"content": [inner]}, *[5] * strangers]
    entries |= {f"/messages/{i + 2}": 5 for i in range(strangers)}
    typed = [ChatTurn(), ChatTurn(content=[ContentPart(type="text")]), *(ChatTurn() for _ in range(strangers))]
    whole = strangers == MANY or sum(fields) + strangers > PIECES
    in_parts, in_one = ChatRequest(messages=typed, extra=entries), ChatRequest(extra={"/messages": turns})
    for message, expected in ((in_parts, bool(entries) and not whole), (in_one, whole)):
        assert is_written(message) is (expected or not message.extra)
        for name in WITH_EXTRA if message.extra else ():
            codec = open_codec(name, "ChatRequest")
            data = unchecked(codec, message)
            assert accepts(codec.decode, data) is accepts(codec.open, data) is expected


def test_a_view_reads_json_text_only_where_it_decides() -> None:
    """What is no JSON there is refused by `open`, and under an unknown name when it is read."""
    flat = open_codec("flatbuffers", "ChatRequest")
    for pointer in ("/temperature", "/x"):
        data = flat.encode(ChatRequest(model="m", extra={pointer: "123456"})).replace(b'"123456"', b'"12"3456')
        with pytest.raises(DecodeError):
            flat.decode(data)
        if pointer == "/temperature":
            with pytest.raises(DecodeError):
                flat.open(data)
        else:
            view = flat.open(data)
            assert view.model == "m"
            with pytest.raises(DecodeError):
                view.extra  # noqa: B018


TEXTS = ["null", "true", "5", "1180591620717411303424", "0.5", '"a"', "[]", "[5]", '["a",{}]', '[{"x":1}]', '{"a":1}']
"""JSON of every type, a list of what fits nowhere, and an integer wider than any field."""


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_json_text_that_its_field_does_not_take_is_refused(kind: str) -> None:
    """Its place would be `extra`: a field's attribute is what the document makes of it, in every codec."""
    type_, refused = MESSAGE_TYPES[kind], 0
    cases = [(field.name, case) for field in plan_of(type_) for case in field.cases if case.kind in JSON_IN]
    for attribute, case in cases:
        for text in TEXTS:
            for name, data in with_json(kind, case, text).items():
                codec = open_codec(name, kind)
                try:
                    message = codec.decode(data)
                except DecodeError:
                    refused += 1
                    with pytest.raises(DecodeError):
                        getattr(codec.open(data), attribute)
                    continue
                assert is_written(message), (attribute, text)
                assert codec.view is None or codec.open(data) == message
    assert refused > 0


JSON_IN = {"json": "", "prompt": "Prompt", "vector": "Vector"}
"""Kind of a case that may hold JSON text → the box that it stands in."""


def with_json(kind: str, case: UnionCase, text: str) -> dict[str, bytes]:
    """Write a message whose case holds this JSON text: codec → bytes."""
    box = JSON_IN[case.kind]
    protobuf = getattr(llm_pb2, kind)(**{case.name: {"json": text} if box else text})
    builder = flatbuffers.Builder(256)
    place = builder.CreateString(text)
    if box:
        place = write_table(builder, box, "json", place)
    builder.Finish(write_table(builder, kind, case.name, place))
    return {"protobuf": protobuf.SerializeToString(), "flatbuffers": bytes(builder.Output())}


def number(kind: str, name: str) -> int:
    """Return the number of a field in the schema."""
    return int(getattr(llm_pb2, kind).DESCRIPTOR.fields_by_name[name].number)


TWICE = {
    "a mark for an empty list at a text": llm_pb2.ChatRequest(empties=[number("ChatRequest", "model")]),
    "a value and a null": llm_pb2.ChatRequest(model="m", nulls=[number("ChatRequest", "model")]),
    "a list and a mark for none": llm_pb2.ChatRequest(messages=[{}], empties=[number("ChatRequest", "messages")]),
    "a null and a mark for none": llm_pb2.ChatRequest(
        nulls=[number("ChatRequest", "messages")], empties=[number("ChatRequest", "messages")]
    ),
    "two types": llm_pb2.ChatRequest(messages=[{"content": "x", "content_list": [{"text": "y"}]}]),
}


@every("box", TWICE.values(), ids=TWICE)
def test_protobuf_with_a_field_written_in_two_ways_is_refused(box: Any) -> None:
    """Or whoever reads it by another library sees another value; `route` too."""
    codec = open_codec("protobuf", "ChatRequest")
    for read in (codec.decode, lambda data: codec.relay(data, lambda model, stream: "m")):
        with pytest.raises(DecodeError):
            read(box.SerializeToString())


@every("codec", ["protobuf", "flatbuffers"])
def test_nan_where_no_number_with_digits_may_stand_is_left_over(codec: str) -> None:
    """The JSON codecs look for it only where one may, and in `extra`."""
    document = {"choices": [{"logprobs": {"content": [{"token": "a", "logprob": 0.5, "bytes": math.nan}]}}]}
    message = from_document("ChatResponse", document)
    assert "/choices/0/logprobs/content/0/bytes" in message.extra
    bound = open_codec(codec, "ChatResponse")
    again = bound.decode(bound.encode(message))
    with pytest.raises(EncodeError):
        open_codec("orjson", "ChatResponse").encode(again)


def test_nan_in_the_wrong_case_of_protobuf_is_refused() -> None:
    """As `bytes` of a token, which orjson would write as null."""
    content = [{"token": "a", "logprob": 0.5, "bytes_json": "NaN"}]
    box = llm_pb2.ChatResponse(choices=[{"logprobs": {"content": content}}])
    with pytest.raises(DecodeError):
        open_codec("protobuf", "ChatResponse").decode(box.SerializeToString())


def test_messages_with_vectors_are_equal_or_not_equal() -> None:
    """One of the two, never both."""
    one, same_one, other = (
        from_document("EmbeddingResponse", {"data": [{"embedding": [v]}]}) for v in (0.5, 0.5, 0.25)
    )
    assert (one == same_one, one != same_one) == (True, False)
    assert (one == other, one != other) == (False, True)


@every("value", ["x" * 100_000, ["float32"], None, 7])
def test_a_packed_vector_of_no_known_type_is_refused_in_few_words(value: Any) -> None:
    """Whatever stands for the type."""
    document = {"data": [{"embedding": {"dtype": value, "bin": b"abcd"}}]}
    with pytest.raises(DecodeError) as caught:
        open_codec("msgpack-bin", "EmbeddingResponse").decode(msgpack.packb(document))
    assert len(str(caught.value)) < 400


def test_entries_of_one_object_are_set_where_the_last_of_its_parents_stands() -> None:
    """Also where another entry has replaced the object between two of them."""
    message = from_document(ChatRequest, {"model": "m"})
    entries = {"/new": {"a": 1}, "/new/b": 2, "/new/c": 3}
    assert apply_extra({}, entries) == {"new": {"a": 1, "b": 2, "c": 3}}
    entries = {"/x/a": 1, "/x": {"b": 2}, "/x/c": 3, "/x/d~1e": 4, "": {"x": {}}, "/x/f": 5}
    assert apply_extra({"x": {}}, entries) == {"x": {"f": 5}}
    with pytest.raises(DocumentError):
        apply_extra(to_document(message), {"/x/a": 1, "/x/b": 2})


@every("words", ["", ".model", ".stop", ".messages", ".messages[0]", ".messages[0].content", ".tools[3]"])
def test_unknown_field_that_bears_the_converters_words_misleads_nobody(words: str) -> None:
    """Where something does not fit is read from what msgspec says, in which an unknown field's name stands."""
    key = f" - at `${words}"
    turn = {"role": "user", "content": [{"type": "text", "text": "q"}], key: 1}
    document = {"model": "m", "stop": ["a"], "messages": [turn, {"role": "a"}], "tools": [{"type": "function"}], key: 2}
    message = from_document("ChatRequest", document)
    assert to_document(message) == document
    assert (message.model, message.stop, message.messages[0].content[0].text) == ("m", ["a"], "q")
    assert set(message.extra) == {f"/{key}", f"/messages/0/{key}"}


def converted_with(patch: pytest.MonkeyPatch, kind: str, document: Any) -> tuple[Any, list[Any]]:
    """Convert a document; return the message and what msgspec was asked to convert on the way."""
    asked = []

    def convert(value: Any, type: Any, **options: Any) -> Any:
        asked.append(value)
        return msgspec.convert(value, type, **options)

    patch.setattr("serlab.messages.documents.msgspec", SimpleNamespace(**vars(msgspec) | {"convert": convert}))
    converter.cache_clear()
    message = from_document(kind, document)
    patch.undo()
    converter.cache_clear()
    return message, asked


def test_long_list_that_does_not_fit_is_converted_once_or_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once more at each level above it."""
    numbers = [*range(1000), "x"]
    token = {"token": "a", "top_logprobs": [{"token": "b", "bytes": numbers}]}
    document = {"choices": [{"logprobs": {"content": [token]}}]}
    message, asked = converted_with(monkeypatch, "ChatResponse", document)
    assert list(message.extra) == ["/choices/0/logprobs/content/0/top_logprobs/0/bytes"]
    assert sum("999" in json.dumps(value) for value in asked) <= 2


def test_what_does_not_fit_now_and_then_leaves_the_rest_of_a_list_to_be_converted_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A part that is none in each of fifty blocks costs a few conversions, not one for each part of its block."""
    parts: list[Any] = [{"type": "text", "text": "a"}] * 12_800
    for i in range(100, 12_800, 256):
        parts[i] = {"type": "text", "text": "a", "": 1} | ({} if i % 512 > 255 else {"text": 5})
    document = {"model": "m", "messages": [{"role": "user", "content": parts}]}
    message, asked = converted_with(monkeypatch, "ChatRequest", document)
    assert to_document(message) == document
    assert len(message.messages[0].content) == len(parts) and len(asked) < 1000


@pytest.mark.parametrize("name", [".aa" * 1_000_000, f"x - at `$[{'1' * 4301}]", " - at `$[99999999999999999999]"])
def test_a_name_that_reads_like_a_place_is_a_name(name: str) -> None:
    """However long it is, it costs no more memory than other names, and no number is read of it."""
    document = {"model": "m", "messages": [5], name: 1}
    tracemalloc.start()
    message = from_document("ChatRequest", document)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert to_document(message) == document and peak < 8 * len(name) + 100_000


@pytest.mark.parametrize("value", [tuple(range(10**6)), ("a" * 10**7,), [tuple(range(10**6))]])
def test_no_value_is_shown_whole(value: Any) -> None:
    """An array that was a key in MessagePack is a tuple."""
    tracemalloc.start()
    text = brief(value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(text) < 80 and peak < 100_000
