"""Messages whose `extra` says what it likes, and what it may say by the definition: what `from_document` writes."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import msgspec
from hypothesis import strategies as st

from serlab.codecs import Codec, codec_names, open_codec
from serlab.errors import DocumentError, EncodeError
from serlab.messages import (
    MESSAGE_TYPES,
    UNSET,
    Message,
    apply_extra,
    first_difference,
    from_document,
    same,
    to_document,
)
from serlab.messages.base import NO_EXTRA, Part, set_field
from serlab.messages.documents import MISFIT, NOT_JSON, Field, converted, fields_of
from serlab.messages.extra import plain
from serlab.messages.pointer import token
from tests.support.checks import REFUSES_HUGE
from tests.support.strategies import documents, json_values

ODD_NAMES = ["", "x", "a/b", "~", "~2", "$extra", "extra", "-", "0", "00", "-1", "1", "/", "model"]
"""Names and positions that no type has, or that only look like one."""

VALUES = ["m", "", 5, -1, 0.5, True, None, [], {}, [1], [{}], ["a", 5], {"a": 1}, {"role": "user"}, [{"role": 1}]]
"""Values of which some fit almost any field and some do not."""


def document_of(message: Message) -> Any:
    """Put `extra` in its place without looking at it."""
    document = msgspec.to_builtins(message, builtin_types=NOT_JSON, enc_hook=plain)
    document.pop("$extra", None)
    return apply_extra(document, deepcopy(dict(message.extra)))


def is_written(message: Message) -> bool:
    """Return whether `from_document` makes this message of the document that it stands for: the definition."""
    try:
        again = from_document(type(message), document_of(message))
    except DocumentError:
        return False
    return bool(again == message) and same(dict(again.extra), dict(message.extra))


def structs(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """List the structs of a message, and the lists that hold some, each with its pointer."""
    if isinstance(value, Part):
        yield pointer, value
        for name in fields_of(type(value)):
            yield from structs(getattr(value, name), f"{pointer}/{token(name)}")
    elif type(value) is list and any(isinstance(item, Part) for item in value):
        yield pointer, value
        for i, item in enumerate(value):
            yield from structs(item, f"{pointer}/{i}")


@st.composite
def hostile(draw: Any, kind: str) -> Message:
    """Draw a message of this kind with any `extra`: most often one that no document is written as."""
    message: Message = from_document(kind, draw(documents(kind, surrogates=False)))
    extra: dict[str, Any] = dict(message.extra)
    for _ in range(draw(st.integers(1, 3))):
        pointer, holder = draw(st.sampled_from(list(structs(message))))
        names = list(fields_of(type(holder))) if isinstance(holder, Part) else list(map(str, range(len(holder) + 1)))
        name = draw(st.one_of(st.sampled_from(names), st.sampled_from(names), st.sampled_from(ODD_NAMES)))
        if draw(st.booleans()):
            make_room(holder, name)
        odd = [f"{pointer}/{name}", f"{pointer}/{name}/x", ""]
        entry = draw(st.sampled_from([f"{pointer}/{token(name)}"] * 8 + odd))
        extra[entry] = deepcopy(draw(st.one_of(st.sampled_from(VALUES), json_values(surrogates=False))))
    if draw(st.integers(0, 9)) == 0:
        message, extra = MESSAGE_TYPES[kind](), {"": extra.popitem()[1], **draw(st.sampled_from([{}, extra]))}
    set_field(message, "extra", extra or NO_EXTRA)
    return message


def make_room(holder: Any, name: str) -> None:
    """Empty the place that an entry will claim."""
    if isinstance(holder, Part):
        if name in fields_of(type(holder)):
            set_field(holder, name, UNSET)
    elif name.isdecimal() and int(name) < len(holder) and isinstance(holder[int(name)], Part):
        holder[int(name)] = type(holder[int(name)])()


def unchecked(codec: Codec, message: Message) -> bytes:
    """Encode without a look at `extra`, as a stranger would."""
    return codec.serialize(codec.populate(message))


def unfit_values(field: Field) -> Iterator[Any]:
    """List values of every JSON type that a field does not take."""
    for value in (None, True, 5, 2**70, 0.5, "text", [], [5], ["a", None], [{"x": 1}, {}], {}, {"a": 1}):
        inside = (field.struct is not None and type(value) is dict) or (field.items is not None and type(value) is list)
        if not inside and converted(field.type, value) is MISFIT:
            yield value


def check_agreement(message: Message, key: Callable[[Any], bytes] = lambda message: b"") -> None:
    """Check that attribute, route, view, document, key and every codec's bytes say the same of a message."""
    kind, document = type(message).__name__, to_document(message)
    told = (message.model, getattr(message, "stream", UNSET))  # type: ignore[attr-defined]
    assert first_disagreement(message, document) == ""
    for name in codec_names():
        codec = open_codec(name, kind)
        try:
            data = codec.encode(message)
        except EncodeError:  # Wide integers, which the codec documents to refuse.
            assert name in REFUSES_HUGE
            continue
        back, view = codec.decode(data), codec.open(data)
        if codec.view is not None:
            assert first_disagreement(view, document) == ""
            view = view.materialize()
        for found in (back, view):
            assert found == message and same(dict(found.extra), dict(message.extra))
            assert first_difference(document, to_document(found)) == "" and key(found) == key(message)
        if isinstance(document, dict):
            seen: list[Any] = []
            passed = codec.decode(codec.relay(data, lambda *told: seen.append(told) or "other"))  # noqa: B023
            assert seen == [told] and passed.model == "other"
            assert first_difference({**document, "model": "other"}, to_document(passed)) == ""


def first_disagreement(holder: Any, document: Any) -> str:
    """Name the first field of a message or a view that says something else than the document does."""
    extra = holder.extra
    for name in fields_of(MESSAGE_TYPES[type(holder).__name__.removesuffix("View")]):
        held = getattr(holder, name)
        inside = isinstance(document, dict) and name in document
        if (held is not UNSET or f"/{name}" in extra) is not inside:
            return f"{name}: {held!r}, in the document {inside}"
        if (held is None or isinstance(held, str | int | float | bool)) and not same(held, document[name]):
            return f"{name}: {held!r}, in the document {document[name]!r}"
    return ""
