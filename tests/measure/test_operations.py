"""The operations: which leaves are read, what a gateway passes on, and what the floors do."""

from itertools import pairwise
from typing import Any

import pytest

from serlab import UNSET, build, open_codec, to_document
from serlab.codecs import codec_info, codec_names
from serlab.errors import DecodeError, EncodeError
from serlab.measure.inputs import Bound
from serlab.measure.operations import (
    OTHER_MODEL,
    STEPS,
    Work,
    arm_of,
    choose,
    compression_arm,
    copy_arm,
    first_misread,
    floors_of,
    follow,
    group_by_output,
    leaf_paths,
    make_strings,
    not_restored,
    pass_stream,
    route,
    sizes,
    strings,
    strings_arm,
    touch,
    verify_operation,
    visit_of,
)
from serlab.messages import from_document
from serlab.records import COMPRESSION
from serlab.workloads import WORKLOADS
from tests.support.documents import DOCUMENTS
from tests.support.loops import every

REQUEST = {
    "model": "m",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    "stop": ["a", "b"],
}


def work_of(workload: str, *codecs: str) -> Work:
    """Bind codecs to a workload."""
    messages = build(workload)
    kind = type(messages[0]).__name__
    opened = [(name, open_codec(name, kind)) for name in codecs]
    bound = [Bound(name, codec, list(map(codec.encode, messages))) for name, codec in opened]
    return Work(kind, messages, bound, 0)


def test_leaves_are_what_a_program_uses_whole() -> None:
    """Absent fields are none; lists of structs and of texts are ways to leaves, a JSON value is one."""
    message = from_document("ChatRequest", {**REQUEST, "metadata": {"a": {"b": 1}}, "novel": 1, "user": None})
    paths = {".".join(map(str, path)) for path in leaf_paths(message)}
    turn = {"messages.0.role", "messages.0.content.0.type", "messages.0.content.0.text"}
    assert paths == {"model", "stop.0", "stop.1", "metadata", "user", "extra", *turn}
    vectors = leaf_paths(build("embeddings")[0])
    assert ("data", 31, "embedding") in vectors and all(len(path) <= 3 for path in vectors)


def test_a_document_has_leaves_too() -> None:
    """Its lists and objects are ways to them."""
    assert set(leaf_paths({"a": [{"b": 1}, [1, 2]], "c": None})) == {("a", 0, "b"), ("a", 1), ("c",)}


def test_a_larger_share_holds_the_smaller_ones() -> None:
    """The order is seeded, and a share is rounded up."""
    paths = leaf_paths(build("agent-request")[0])
    chosen = [choose(paths, step, "s") for step in STEPS]
    counts = [0, 1, -(-len(paths) // 100), -(-len(paths) // 10), -(-len(paths) // 2), len(paths)]
    assert [len(one) for one in chosen] == counts
    assert all(set(small) <= set(large) for small, large in pairwise(chosen))
    assert choose(paths, "read-10%", "s") == choose(paths, "read-10%", "s") != choose(paths, "read-10%", "t")


class Recorder:
    """Tells which of its attributes and items are read."""

    def __init__(self, value: Any, path: tuple[Any, ...], seen: list[tuple[Any, ...]]) -> None:
        self.value, self.path, self.seen = value, path, seen

    def __getattr__(self, name: str) -> "Recorder":
        self.seen.append((*self.path, name))
        return Recorder(getattr(self.value, name), (*self.path, name), self.seen)

    def __getitem__(self, index: int) -> "Recorder":
        self.seen.append((*self.path, index))
        return Recorder(self.value[index], (*self.path, index), self.seen)


def test_a_visit_reads_each_chosen_leaf_once_and_each_way_once() -> None:
    """Objects on the way are asked for once, whatever is read of them."""
    message = build("agent-request")[0]
    paths = leaf_paths(message)
    seen: list[tuple[Any, ...]] = []
    touch(Recorder(message, (), seen), visit_of(message, paths))
    assert len(seen) == len(set(seen)) and set(paths) <= set(seen)
    assert set(seen) == {path[:i] for path in paths for i in range(1, len(path) + 1)}


@every("codec", codec_names())
@every("kind", DOCUMENTS)
def test_every_codec_reads_every_leaf(codec: str, kind: str) -> None:
    """Through what `open` gives, value by value."""
    if kind == "document" and codec_info(codec).schema:
        return
    message = from_document(kind, DOCUMENTS[kind])
    bound = open_codec(codec, kind)
    assert first_misread(bound.open(bound.encode(message)), message, leaf_paths(message)) == ""


def test_a_misread_leaf_is_named() -> None:
    """With what was expected and what came; a number of another type is another value."""
    message, other = (from_document("ChatRequest", {**REQUEST, "temperature": value}) for value in (1, 1.0))
    assert first_misread(other, message, [("temperature",)]) == "temperature: expected 1, got 1.0"
    assert follow(message, ("messages", 0, "content", 0, "text")) == "hi"


@every("codec", codec_names())
@every("kind", DOCUMENTS)
def test_every_codec_relays_everything_but_the_model(codec: str, kind: str) -> None:
    """The route sees model and stream; the rest comes out as it went in."""
    document = DOCUMENTS[kind]
    if kind == "document" and (codec_info(codec).schema or not isinstance(document, dict)):
        return
    seen: list[Any] = []

    def choose_model(model: Any, stream: Any) -> str:
        seen.append((model, stream))
        return "other"

    bound = open_codec(codec, kind)
    passed = bound.relay(bound.encode(from_document(kind, document)), choose_model)
    assert to_document(bound.decode(passed)) == {**document, "model": "other"}
    assert seen == [(document.get("model", UNSET), document.get("stream", UNSET))]


@pytest.mark.parametrize("codec", ["json", "orjson", "msgpack", "msgspec-json", "protobuf"])
def test_relay_refuses_what_is_no_message(codec: str) -> None:
    """As decode does."""
    with pytest.raises(DecodeError, match=f"{codec}: expected one whole ChatRequest"):
        open_codec(codec, "ChatRequest").relay(b"\xff\xff\xff", route)
    if codec != "protobuf":
        bound = open_codec(codec, "document")
        with pytest.raises(EncodeError, match="an object with a model, got a list"):
            bound.relay(bound.encode([1]), route)


def test_a_workload_has_the_operations_that_make_sense_there() -> None:
    """Only a stream is streamed, and steps of the access curve that would read the same are one."""
    turn, chunks = work_of("chat-turn", "orjson"), work_of("stream", "orjson")
    assert list(turn.names("stream")) == [] and list(chunks.names("stream")) == ["stream"]
    assert list(turn.names("relay")) == ["relay"] and list(turn.names("encode")) == ["encode"]
    assert list(turn.names("read-k")) == ["read-0%", "read-1", "read-10%", "read-50%", "read-100%"]
    documents = Work("document", [[1]], [], 0)
    assert list(documents.names("relay")) == [] and list(documents.names("read-one")) == []


@pytest.mark.parametrize("operation", ["read-one", "read-100%", "relay", "stream"])
def test_every_default_codec_does_what_is_timed(operation: str) -> None:
    """Nothing is verify_operation on a stream of chunks, and every arm can be called."""
    work = work_of("stream", "json", "orjson", "msgpack", "protobuf", "flatbuffers", "msgspec-json", "msgspec-msgpack")
    for bound in work.codecs:
        bound = bound._replace(encoded=bound.encoded[:5])
        few = Work(work.kind, work.messages[:5], [bound], 0)
        assert verify_operation(operation, bound, few) == ""
        arm = arm_of(operation, bound, few)
        assert arm.messages == 5
        for item in arm.items:
            arm.call(item)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_default_codec_reads_the_named_field(workload: str) -> None:
    """Also where it is a list of structs, which a view gives as views."""
    for name in ("orjson", "protobuf", "flatbuffers"):
        work = work_of(workload, name)
        assert verify_operation("read-one", work.codecs[0], work) == ""


@pytest.mark.parametrize("codec", ["orjson", "msgpack", "protobuf", "flatbuffers", "flatbuffers-unverified"])
def test_a_body_without_the_named_field_does_not_keep_the_others_from_being_read(codec: str) -> None:
    """One refusal among the answers of a day has no message; a view gives the same as a message then."""
    answer = {"id": "a", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}
    lacking = ({"id": "b"}, {"id": "c", "choices": []}, {"id": "d", "choices": [{"index": 0}]})
    messages = [from_document("ChatResponse", document) for document in (answer, *lacking)]
    opened = open_codec(codec, "ChatResponse")
    work = Work("ChatResponse", messages, [Bound(codec, opened, list(map(opened.encode, messages)))], 0)
    assert list(work.names("read-one")) == ["read-one"] and verify_operation("read-one", work.codecs[0], work) == ""
    assert [work.reader(message) for message in messages] == ["hi", None, None, None] if work.reader else False
    assert list(Work("ChatResponse", messages[1:], [], 0).names("read-one")) == []


def test_a_stream_is_put_together() -> None:
    """The text is that of the chunks, in order."""
    chunks = build("stream")
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices or () if choice.delta)
    assert pass_stream(open_codec("msgpack", "ChatChunk"), chunks) == text and len(text) > 1000


def test_the_gateway_writes_another_model() -> None:
    """Whatever was asked for."""
    assert route("m", True) == route(UNSET, UNSET) == OTHER_MODEL


def test_the_copy_really_copies_the_shortest_encoding() -> None:
    """`bytes` of bytes would be the same object."""
    work = work_of("chat-response", "orjson", "protobuf")
    arm = copy_arm(work.codecs)
    copied = arm.call(arm.items[0])
    assert copied == work.codecs[1].encoded[0] and copied is not work.codecs[1].encoded[0] and arm.name == "floor: copy"


def test_the_strings_are_those_that_an_operation_reads() -> None:
    """All of the message, or only those of the fields that are read; field names are none."""
    assert list(strings(from_document("ChatRequest", {**REQUEST, "metadata": {"k": ["v"]}}))) != []
    work = work_of("chat-turn", "orjson")
    whole, one = floors_of("decode", work)[1], floors_of("read-one", work)[1]
    assert make_strings(whole.items[0]) == list(strings(work.messages[0]))
    assert make_strings(one.items[0]) == [work.messages[0].messages[-1].content]
    assert floors_of("read-0%", work)[1].items == [[]] and len(floors_of("read-100%", work)[1].items[0]) > 5
    assert strings_arm(["\ud800"]).items == [[b"?"]]


@pytest.mark.parametrize("operation", COMPRESSION)
def test_compression_is_that_of_the_size_table(operation: str) -> None:
    """What is timed makes the bytes that are weighed, or takes them apart."""
    bound = work_of("chat-turn", "orjson").codecs[0]
    arm = compression_arm(operation, bound)
    given, made = arm.items[0], arm.call(arm.items[0])
    compressed, plain = (made, given) if operation in ("gzip", "zstd") else (given, made)
    assert plain == bound.encoded[0] and not_restored(operation, bound) == ""
    assert len(compressed) == sizes(plain)["gzip" if "g" in operation else "zstd"]


def test_codecs_that_write_the_same_bytes_share_a_measurement() -> None:
    """Compression sees bytes, not codecs."""
    codecs = work_of("chat-turn", "json", "orjson", "msgpack", "msgspec-json").codecs
    assert group_by_output(codecs) == {"json": ["orjson", "msgspec-json"], "msgpack": []}
