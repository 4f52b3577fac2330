"""Which requests are the same to the cache."""

import json
from typing import Any

import pytest
from hypothesis import given

from serlab import workloads
from serlab.codecs import codec_names, open_codec
from serlab.errors import EncodeError, NoSchemaError
from serlab.messages import from_document, to_document
from serlab.wire.cache import IGNORED, key_of
from tests.support.extras import check_agreement, hostile, is_written
from tests.wire.helpers import CHAT

TOOL = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}, "b": {}}}},
}
RICH = {**CHAT, "tools": [TOOL], "temperature": 1, "top_p": 1.0, "seed": None, "unknown": {"z": [1, 2.0], "a": None}}


def key(document: Any, kind: str = "ChatRequest", **options: Any) -> bytes:
    """Digest a document's message."""
    return key_of(from_document(kind, document), **options)


def backwards(value: Any) -> Any:
    """Turn the order of all keys around."""
    if isinstance(value, dict):
        return {name: backwards(value[name]) for name in reversed(value)}
    return [backwards(item) for item in value] if isinstance(value, list) else value


def test_the_order_of_keys_does_not_count_at_any_depth() -> None:
    """In typed fields, free-form ones and unknown ones."""
    assert json.dumps(RICH) != json.dumps(backwards(RICH))
    assert key(RICH) == key(backwards(RICH))


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 1.0},
        {"temperature": True},
        {"top_p": 1},
        {"seed": 0},
        {"unknown": {"z": [1, 2], "a": None}},
        {"unknown": {"z": [2.0, 1], "a": None}},
        {"unknown": {"z": [1, 2.0]}},
        {"max_tokens": None},
        {"model": "M"},
        {"messages": [{"role": "user", "content": "Tell me of the sea"}]},
    ],
    ids=str,
)
def test_any_other_difference_counts(changed: dict[str, Any]) -> None:
    """1 is not 1.0 nor true, absent is not null, a list has an order: a wrong answer costs more than a miss."""
    assert key(RICH) != key({**RICH, **changed})


def test_absent_is_not_null() -> None:
    """In a typed field."""
    assert key(RICH) != key({name: value for name, value in RICH.items() if name != "seed"})


def test_negative_zero_is_not_zero() -> None:
    """As `same` has it."""
    assert key({**CHAT, "temperature": 0.0}) != key({**CHAT, "temperature": -0.0})


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_a_field_that_does_not_say_what_is_asked_does_not_count(name: str) -> None:
    """Neither where its type takes the value, nor where it lands in `extra`."""
    assert key(CHAT) == key({**CHAT, name: {"unfit": [1]}}) == key({**CHAT, name: None})
    assert key(CHAT) != key({**CHAT, name: None}, ignored=IGNORED - {name})


def test_an_ignored_name_counts_where_it_is_not_at_the_root() -> None:
    """`user` inside something else is part of the question."""
    assert key({**CHAT, "unknown": {"user": 1}}) != key({**CHAT, "unknown": {"user": 2}})


def test_the_request_itself_is_not_changed() -> None:
    """Ignored fields are left out of a copy."""
    request = from_document("ChatRequest", {**CHAT, "stream": True, "user": 7, "odd": 1})
    before = to_document(request)
    key_of(request)
    assert to_document(request) == before


@pytest.mark.parametrize("name", codec_names())
@pytest.mark.parametrize("workload", ["chat-turn", "agent-request", "token-ids", "rich"])
def test_every_codec_brings_the_same_key(name: str, workload: str) -> None:
    """A request has one key, whatever it came as."""
    rich = workload == "rich"
    kind = "ChatRequest" if rich else workloads.kind(workload)
    requests = [from_document(kind, RICH)] if rich else workloads.build(workload)
    codec = open_codec(name, kind)
    for request in requests:
        assert key_of(codec.decode(codec.encode(request))) == key_of(request)


@pytest.mark.parametrize("kind", ["ChatRequest", "EmbeddingRequest", "GenerateRequest", "EmbeddingResponse"])
def test_what_does_not_fit_has_one_key_too(kind: str) -> None:
    """Whatever codec it came by; one that says two things has none."""

    @given(hostile(kind))
    def holds(message: Any) -> None:
        if is_written(message):
            check_agreement(message, key_of)
            assert key_of(from_document(kind, to_document(message))) == key_of(message)
        else:
            with pytest.raises(EncodeError):
                key_of(message, ignored=())

    holds()


@pytest.mark.parametrize("name", codec_names())
def test_documents_have_keys_too(name: str) -> None:
    """A kind of its own, so that a document is not its typed twin."""
    try:
        codec = open_codec(name, "document")
    except NoSchemaError:
        return
    assert key_of(codec.decode(codec.encode(RICH))) == key_of(backwards(RICH)) != key(RICH)
    assert key_of({**RICH, "user": "u"}) == key_of(RICH)


def test_what_messagepack_has_no_form_for_still_has_a_key() -> None:
    """Integers beyond 64 bits and lone surrogates are JSON."""
    odd = {**CHAT, "big": 2**70, "half": "\ud800"}
    assert key(odd) == key(backwards(odd)) != key({**odd, "big": 2**70 + 1})
    assert key_of(odd) != key_of({**odd, "half": "\ud801"})


def test_what_is_no_json_is_refused() -> None:
    """With an error of serlab's own."""
    with pytest.raises(EncodeError, match="JSON values"):
        key_of({**CHAT, "odd": object()})


def test_namespaces_and_kinds_do_not_meet() -> None:
    """Nor can one be made to look like the other."""
    keys = {key(CHAT), key(CHAT, namespace=b"a"), key(CHAT, namespace=b"b"), key(CHAT, "GenerateRequest")}
    assert len(keys) == 4
