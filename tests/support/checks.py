"""What several test modules check."""

from typing import Any

import numpy as np

from serlab.codecs import codec_names, open_codec
from serlab.messages import first_difference, from_document, to_document
from serlab.messages.base import NO_EXTRA, Part

REFUSES_SURROGATES = {name for name in codec_names() if not name.startswith("json")}
REFUSES_HUGE = {name for name in codec_names() if name.startswith(("orjson", "msgpack", "msgspec-msgpack"))}
REFUSES_HUGE |= {"msgspec-json-base64"}
"""The codecs that document to refuse lone surrogates, and integers of more than 64 bits."""


def check_round_trip(codec: str, kind: str, document: Any) -> None:
    """Send a document through a codec and compare what comes back, as message, as document and as view."""
    message, bound = from_document(kind, document), open_codec(codec, kind)
    data = bound.encode(message)
    back = bound.decode(data)
    assert type(back) is type(message)
    assert back == message
    assert first_difference(document, to_document(back)) == ""
    assert_same_values(bound.open(data), message)


def assert_same_values(view: Any, value: Any) -> None:
    """Read everything through a view and compare it with the message: type by type, list by list."""
    if isinstance(value, Part):
        for name in type(value).__struct_fields__:
            assert_same_values(getattr(view, name), getattr(value, name))
    elif isinstance(value, np.ndarray):
        assert view.dtype == value.dtype
        assert view.tobytes() == value.tobytes()
    elif isinstance(value, list):
        assert len(view) == len(value)
        for seen, item in zip(view, value, strict=True):
            assert_same_values(seen, item)
    elif isinstance(value, int) and not isinstance(value, bool):
        assert int(view) == value
    else:
        assert type(view) is type(value) or value is NO_EXTRA
        assert view == value
