"""Limits: every codec refuses what is beyond them, by name and before it grows, and nothing else."""

import itertools
import subprocess
import sys
from dataclasses import replace
from functools import partial
from random import Random
from string import ascii_lowercase

import msgpack
import pytest

from serlab import build
from serlab.codecs import applicable_limits, codec_names, jsontext, open_codec
from serlab.codecs.limits import grown_of, high_bytes, quick_bound_json, quick_bound_msgpack
from serlab.codecs.protobuf_scan import scan_protobuf
from serlab.codecs.scans import FIELD, PLACE, TEXT_GROWTH, costs_of, scan_json, scan_msgpack
from serlab.errors import DecodeError
from serlab.generated import llm_pb2
from serlab.limits import DEFAULT_LIMITS, MIB, UNLIMITED, Limits
from serlab.messages import from_document, to_document
from serlab.workloads import kind, names
from tests.fuzz.mutate import mutated
from tests.support.loops import every

JSON = ["json", "orjson", "msgspec-json", "json-base64", "orjson-base64", "msgspec-json-base64", "json-fresh"]
MSGPACK = ["msgpack", "msgspec-msgpack", "msgpack-bin", "msgspec-msgpack-bin", "msgpack-fresh", "msgspec-msgpack-fresh"]
LISTS = 2_000_000
BOMBS = dict.fromkeys(JSON, b"[" + b"[]," * LISTS + b"[]]")
BOMBS |= {name: b"\xdd" + LISTS.to_bytes(4) + b"\x90" * LISTS for name in MSGPACK}
BOMBS |= {"protobuf": b"\x12\x00" * LISTS}
DEEP = dict.fromkeys(JSON, b"[" * 9000 + b"]" * 9000) | dict.fromkeys(MSGPACK, b"\x91" * 9000 + b"\xc0")
NESTED = {"model": "m", "messages": [], "metadata": {"a": [[[[["x"]]]]]}}
SCHEMAS = ["protobuf", "flatbuffers"]

SMALL = {
    "max_bytes": Limits(max_bytes=20),
    "max_depth": Limits(max_depth=4),
    "max_items": Limits(max_items=3),
    "max_materialized_bytes": Limits(max_materialized_bytes=300),
}


@every("codec", codec_names())
@every("operation", ["decode", "open"])
def test_message_longer_than_max_bytes_is_refused(codec: str, operation: str) -> None:
    """Before anything is read; the text says what was expected, what came, and what to do."""
    bound = open_codec(codec, "ChatRequest", applicable_limits(codec, Limits(max_bytes=20)))
    data = bound.encode(from_document("ChatRequest", NESTED))
    with pytest.raises(
        DecodeError, match=f"^{codec}: limit max_bytes: expected at most 20 bytes, got {len(data)}; .*raise it"
    ):
        getattr(bound, operation)(data)


@every("limit", SMALL)
@every("codec", [*JSON, *MSGPACK])
def test_smaller_limit_refuses_by_name(codec: str, limit: str) -> None:
    """Each limit by itself; the defaults take the same message."""
    data = open_codec(codec, "ChatRequest").encode(from_document("ChatRequest", NESTED))
    assert open_codec(codec, "ChatRequest").decode(data).model == "m"
    with pytest.raises(DecodeError, match=f"limit {limit}: expected at most"):
        open_codec(codec, "ChatRequest", SMALL[limit]).decode(data)


@pytest.mark.parametrize("limit", ["max_bytes", "max_items", "max_materialized_bytes"])
@pytest.mark.parametrize("codec", ["protobuf", "flatbuffers"])
def test_smaller_limit_refuses_a_message_with_a_schema(codec: str, limit: str) -> None:
    """Also where the limit is FlatBuffers' own."""
    request = from_document("ChatRequest", {"model": "m", "messages": [{"role": "user", "content": "hello"}] * 40})
    data = open_codec(codec, "ChatRequest").encode(request)
    with pytest.raises(DecodeError, match=f"limit {limit}: expected at most"):
        open_codec(codec, "ChatRequest", SMALL[limit]).decode(data)


@pytest.mark.parametrize("codec", ["protobuf", "flatbuffers"])
def test_schema_codec_counts_depth(codec: str) -> None:
    """A message in a list in a request is two levels."""
    request = from_document("ChatRequest", {"model": "m" * 4000, "messages": [{"role": "user", "content": "hello"}]})
    data = open_codec(codec, "ChatRequest").encode(request)
    with pytest.raises(DecodeError, match="limit max_depth: expected at most 1"):
        open_codec(codec, "ChatRequest", Limits(max_depth=1, max_items=1000)).decode(data)


@every("codec", BOMBS)
def test_many_empty_lists_are_refused_by_default(codec: str) -> None:
    """They are 2 to 6 MB and would take hundreds."""
    bomb = BOMBS[codec]
    named = "limit max_(items: expected at most 1,000,000|amplification: expected at most 40 bytes.*), got more in"
    with pytest.raises(DecodeError, match=named):
        open_codec(codec, "ChatRequest").decode(bomb)
    with pytest.raises(DecodeError, match=r"limit max_materialized_bytes"):
        open_codec(codec, "ChatRequest", replace(DEFAULT_LIMITS, max_items=2**40, max_materialized_bytes=MIB)).decode(
            bomb
        )


@every("codec", DEEP)
def test_deep_message_is_refused(codec: str) -> None:
    """By the library's own bound without a limit, and by the limit's name with one."""
    with pytest.raises(DecodeError, match=f"^{codec}: expected one whole"):
        open_codec(codec, "ChatRequest").decode(DEEP[codec])
    with pytest.raises(DecodeError, match=r"limit max_depth: expected at most 64"):
        open_codec(codec, "ChatRequest", Limits(max_depth=64)).decode(DEEP[codec])


@pytest.mark.parametrize("codec", ["json", "orjson", "msgspec-json", "msgpack", "msgspec-msgpack"])
def test_depth_is_counted_exactly(codec: str) -> None:
    """The last level that is allowed passes and the next does not, however much text stands around it."""
    value: object = "x"
    for _ in range(30):
        value = [value]
    document = {"a": "padding ]]]] " * 500, "b": value, "c": "[[[[ padding" * 500}
    data = open_codec(codec, "document").encode(document)
    assert open_codec(codec, "document", Limits(max_depth=31)).decode(data) == document
    with pytest.raises(DecodeError, match="limit max_depth: expected at most 30"):
        open_codec(codec, "document", Limits(max_depth=30)).decode(data)


def nested(levels: int) -> object:
    """Make lists in lists."""
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value


def turn_with(value: object) -> dict[str, object]:
    """Make a request in which a value stands among the parts of a turn."""
    return {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, value]}]}


@pytest.mark.parametrize("codec", ["json", "orjson", "msgspec-json", "msgpack", "msgspec-msgpack", *SCHEMAS])
@pytest.mark.parametrize(
    ("document", "enough", "less"),
    [
        ({"model": "m", "metadata": nested(30)}, Limits(max_depth=45), Limits(max_depth=20)),
        ({"model": "m", "unknown": nested(30)}, Limits(max_depth=45), Limits(max_depth=20)),
        (turn_with(nested(30)), Limits(max_depth=45), Limits(max_depth=20)),
        ({"model": "m", "metadata": [[]] * 600}, Limits(max_items=900), Limits(max_items=500)),
        ({"model": "m", "metadata": [[]] * 60, "b": [[]] * 60}, Limits(max_items=200), Limits(max_items=100)),
        (turn_with([[]] * 600), Limits(max_items=900), Limits(max_items=500)),
    ],
    ids=["field", "unknown", "mixed", "items", "texts", "mixed-items"],
)
def test_free_form_values_count_in_every_codec(codec: str, document: object, enough: Limits, less: Limits) -> None:
    """Also where they travel as JSON text inside of another format, short ones too."""
    message = from_document("ChatRequest", document)
    data = open_codec(codec, "ChatRequest").encode(message)
    assert open_codec(codec, "ChatRequest", enough).decode(data) == message
    limit = "max_depth" if less.max_depth else "max_items"
    with pytest.raises(DecodeError, match=f"limit {limit}: expected at most"):
        open_codec(codec, "ChatRequest", less).decode(data)
    if codec == "flatbuffers":
        with pytest.raises(DecodeError, match=f"limit {limit}: expected at most"):
            open_codec(codec, "ChatRequest", less).open(data)


@pytest.mark.slow
@pytest.mark.parametrize("codec", SCHEMAS)
def test_raised_limits_reach_json_texts(codec: str) -> None:
    """A million and a half empty lists in one field."""
    message = from_document("ChatRequest", {"metadata": [[]] * 1_500_000})
    data = open_codec(codec, "ChatRequest").encode(message)
    with pytest.raises(DecodeError, match="limit max_items"):
        open_codec(codec, "ChatRequest").decode(data)
    bound = open_codec(codec, "ChatRequest", replace(DEFAULT_LIMITS, max_items=2_000_000, max_amplification=80))
    assert len(bound.decode(data).metadata) == 1_500_000
    if codec == "flatbuffers":
        assert len(bound.open(data).metadata) == 1_500_000


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["json", "msgpack", "msgspec-json", "msgspec-msgpack", "orjson", "protobuf"])
def test_refusal_takes_no_memory(codec: str) -> None:
    """The bomb is refused before it grows: the peak rises by a few times its own length at most."""
    code = (
        "import resource\nfrom tests.codecs.test_limits import BOMBS\nfrom serlab.codecs import open_codec\n"
        f"bound, bomb = open_codec({codec!r}, 'ChatRequest'), BOMBS[{codec!r}]\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\ntry:\n    bound.decode(bomb)\nexcept ValueError as error:\n    print(error)\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, grown = done.stdout.splitlines()
    assert "limit max_items" in text or "limit max_amplification" in text
    assert int(grown) * 1024 < 32 * MIB


@pytest.mark.parametrize("name", names())
def test_workload_passes_under_the_defaults(name: str) -> None:
    """And under limits so low in length that every message is scanned, but none that it passes."""
    message = build(name)[0]
    for codec in codec_names():
        bound = open_codec(codec, kind(name))
        data = bound.encode(message)
        assert bound.decode(data) == message
        if codec in JSON or codec in MSGPACK:
            scan = scan_msgpack if codec in MSGPACK else scan_json
            assert scan(data, replace(DEFAULT_LIMITS, max_depth=20)) == ""
        if codec == "protobuf":
            assert scan_protobuf(getattr(llm_pb2, kind(name)).DESCRIPTOR, data, DEFAULT_LIMITS) == ""


@pytest.mark.parametrize("codec", ["json", "orjson", "msgspec-json", "msgpack", "msgspec-msgpack"])
def test_long_vectors_and_text_pass(codec: str) -> None:
    """Numbers are no items, and marks inside of text are none."""
    text = {"a": '[]{},"\\' * 700_000, "b": [0.5] * 1_200_000}
    bound = open_codec(codec, "document")
    assert bound.decode(bound.encode(text)) == text


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0K" * 400_000}}
TURN = {"role": "user", "content": "Whose woods these are, I think I know. " * 4}
REQUESTS = {
    "pictures": {"model": "m", "messages": [{"role": "user", "content": [PICTURE]}] * 3},
    "turns": {"model": "m", "messages": [TURN] * 20_000},
}
CHAT = grown_of("ChatRequest")


def suspicious_msgpack(data: bytes, limits: Limits) -> bool:
    """Look as the guard does before the exact scan."""
    return quick_bound_msgpack(CHAT, data, limits, high_bytes(data))


SCANS = {
    "msgpack": (partial(scan_msgpack, grown=CHAT), suspicious_msgpack),
    "orjson": (partial(scan_json, grown=CHAT), partial(quick_bound_json, CHAT)),
}


@pytest.mark.parametrize("codec", SCANS)
@pytest.mark.parametrize("name", REQUESTS)
def test_long_honest_messages_are_settled_without_an_exact_scan(codec: str, name: str) -> None:
    """Pictures and text by counts; both pass."""
    bound = open_codec(codec, "ChatRequest")
    data = bound.encode(from_document("ChatRequest", REQUESTS[name]))
    suspect = SCANS[codec][1]
    assert len(data) > bound.settled_bytes
    # JSON of more than 8 MB is counted exactly, which takes 0.4 ns a byte.
    assert not suspect(data, DEFAULT_LIMITS) or (codec, name) == ("orjson", "pictures")
    assert len(bound.decode(data).messages) == len(REQUESTS[name]["messages"])


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["msgpack", "msgspec-msgpack", "protobuf", "flatbuffers"])
def test_many_vectors_pass(codec: str) -> None:
    """3,000 of 1,536 floats, 18 to 41 MB: far below what they may take."""
    values = [float(i) / 8 for i in range(1536)]
    items = [{"object": "embedding", "index": i, "embedding": values} for i in range(3000)]
    bound = open_codec(codec, "EmbeddingResponse")
    data = bound.encode(from_document("EmbeddingResponse", {"object": "list", "model": "m", "data": items}))
    assert len(data) > 18_000_000 and len(bound.decode(data).data) == 3000


@pytest.mark.parametrize(
    "codec", ["json", "orjson", "msgspec-json", "msgpack", "msgspec-msgpack", "protobuf", "flatbuffers"]
)
def test_a_bias_for_each_token_passes(codec: str) -> None:
    """200,000 keys of six digits, a vocabulary: the dearest free-form object that somebody may mean."""
    bias = {str(token): -100 for token in range(100_000, 300_000)}
    bound = open_codec(codec, "ChatRequest")
    data = bound.encode(from_document("ChatRequest", {"model": "m", "logit_bias": bias}))
    assert to_document(bound.decode(data))["logit_bias"] == bias


@pytest.mark.parametrize("codec", ["msgpack", "msgspec-msgpack"])
def test_many_short_unknown_fields_are_refused(codec: str) -> None:
    """400,000 of four letters: reading them takes longer than so few bytes may take."""
    names = map("".join, itertools.product(ascii_lowercase, repeat=4))
    data = msgpack.packb(dict.fromkeys(itertools.islice(names, 400_000), 1))
    with pytest.raises(DecodeError, match="max_amplification"):
        open_codec(codec, "ChatRequest").decode(data)


@pytest.mark.parametrize("codec", ["msgpack", "orjson"])
def test_bounds_are_never_below_the_exact_count(codec: str) -> None:
    """What the counts let pass, the exact scan lets pass: no bomb hides from them."""
    scan, suspect = SCANS[codec]
    for seed in range(300):
        data = bytes(mutated(codec, "ChatRequest", Random(seed)))
        for most in (1, 3, 10, 30):
            limits = replace(DEFAULT_LIMITS, max_items=most)
            assert suspect(data, limits) or scan(data, limits) != "max_items"


@pytest.mark.parametrize(
    "value", [{"a": ['"[', "\\", {"b": []}]}, [[], [[]]], "[[[", {"[": "]"}, [1.5, None, True, "é"]]
)
def test_scans_count_what_is_there(value: object) -> None:
    """The depth that just passes is the value's own, in both formats and in UTF-16."""

    def depth(item: object) -> int:
        inner = list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else []
        return isinstance(item, dict | list) + max(map(depth, inner), default=0)

    text = jsontext.dumps(value)
    exact, less = Limits(max_depth=depth(value)), Limits(max_depth=depth(value) - 1)
    for scan, data in [
        (scan_json, text.encode()),
        (scan_json, text.encode("utf-16")),
        (scan_json, text.encode("utf-32-be")),
        (scan_msgpack, msgpack.packb(value)),
    ]:
        assert scan(data, exact) == ""
        assert scan(data, less) == ("max_depth" if depth(value) else scan(data, less))


@every("seed", range(20))
def test_rows_of_short_values_are_counted_one_by_one(seed: int) -> None:
    """Items exactly; bytes as the heads say, and a few more where texts and numbers are mixed."""
    random = Random(seed)
    values = [1, 200, 70_000, 2**33, -1, -100, -40_000, -(2**33), 0.5, None, True, "", "a", "a" * 31, "a" * 40, b"", []]
    some = random.choices(values, k=random.randint(1, 6))
    packed = [msgpack.packb(value) for value in random.choices(some, k=random.randint(1, 30_000))]
    costs = costs_of(CHAT)
    items = 1 + sum(costs[value[0]] // FIELD % FIELD for value in packed)
    data = msgpack.packb(None) * 70 + b"\xdd" + len(packed).to_bytes(4, "big") + b"".join(packed)
    assert scan_msgpack(data, replace(UNLIMITED, max_items=items), CHAT) == ""
    assert scan_msgpack(data, replace(UNLIMITED, max_items=items - 1), CHAT) == "max_items"
    long = TEXT_GROWTH * 40 * packed.count(msgpack.packb("a" * 40))
    size = (
        costs[0xDD] % FIELD + CHAT.array + len(packed) * PLACE + long + sum(costs[value[0]] % FIELD for value in packed)
    )
    assert scan_msgpack(data, replace(UNLIMITED, max_materialized_bytes=size + len(data)), CHAT) == ""
    assert scan_msgpack(data, replace(UNLIMITED, max_materialized_bytes=size - 1), CHAT) == "max_materialized_bytes"


def test_scan_of_text_without_end_is_linear() -> None:
    """Escaped quotes in a string that never ends are not looked at again and again."""
    assert scan_json(b'"' + b'\\"' * 2_000_000, DEFAULT_LIMITS) == ""


@pytest.mark.parametrize("codec", ["protobuf", "flatbuffers", "flatbuffers-official"])
def test_json_text_inside_is_held_to_the_limits(codec: str) -> None:
    """A small message whose JSON text would grow."""
    bound = open_codec(codec, "ChatRequest")
    request = from_document("ChatRequest", {"model": "m", "messages": [], "metadata": {"a": "MARK" * 1_000_000}})
    bomb = b"[],".ljust(3) * 1_333_332 + b"[]"
    data = bound.encode(request).replace(b'"' + b"MARK" * 1_000_000 + b'"', b"[" + bomb + b" " * 2 + b"]")
    with pytest.raises(DecodeError, match="limit max_items"):
        bound.decode(data)


@pytest.mark.slow
def test_other_limits_are_another_codec() -> None:
    """The registry keeps one for each, and equal limits are the same."""
    assert open_codec("json", "ChatRequest", Limits(max_items=7)) is open_codec(
        "json", "ChatRequest", Limits(max_items=7)
    )
    assert open_codec("json", "ChatRequest", Limits(max_items=7)) is not open_codec("json", "ChatRequest")
    assert open_codec("json", "document", UNLIMITED).decode(BOMBS["json"])[0] == []


def test_relay_is_held_to_the_limits() -> None:
    """A gateway reads what strangers send."""
    bound = open_codec("orjson", "ChatRequest")
    with pytest.raises(DecodeError, match="limit max_items"):
        bound.relay(BOMBS["orjson"], lambda model, stream: "m")


@pytest.mark.parametrize("codec", ["json", "orjson", "msgspec-json", "msgpack", "msgspec-msgpack"])
def test_more_unknown_fields_than_can_be_read_in_time_are_refused(codec: str) -> None:
    """Six hundred thousand are; a bias for each of 200,000 tokens and a hundred thousand unknown fields are not."""
    bound, plain = open_codec(codec, "ChatRequest"), open_codec(codec, "document")
    with pytest.raises(DecodeError, match=r"limit max_(amplification|materialized_bytes)"):
        bound.decode(plain.encode({f"x{i:06}": 1 for i in range(600_000)}))
    bound.decode(plain.encode({"model": "m", "logit_bias": {f"{i + 100_000}": -100 for i in range(200_000)}}))
    bound.decode(plain.encode({f"x{i:06}": 1 for i in range(100_000)}))


def test_bytes_of_a_token_count_as_the_numbers_that_they_become() -> None:
    """A list of them takes eight bytes for each, beside the message."""
    message = llm_pb2.ChatResponse(model="m")
    message.choices.add().logprobs.content.add().bytes = bytes(30_000_000)
    with pytest.raises(DecodeError, match="max_materialized_bytes"):
        open_codec("protobuf", "ChatResponse").decode(message.SerializeToString())
