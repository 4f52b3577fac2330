"""Documents of every message type, made from the types themselves, and the settings of Hypothesis.

`documents(kind)` fills a few fields of the type with values that fit, and puts what does not belong there beside
them: nulls, unknown fields at every depth, values of wrong types. What a format documents to refuse is left out by
keyword.
"""

import os
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from serlab.messages import MESSAGE_TYPES, UNSET
from serlab.messages.base import Part
from serlab.messages.documents import union_cases
from serlab.messages.embeddings import Embedding

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
"""The first document of a large type takes a second, since its strategy is built then."""

settings.register_profile("same", derandomize=True, deadline=None, max_examples=20, suppress_health_check=SLOW)
settings.register_profile("explore", deadline=None, max_examples=500, suppress_health_check=SLOW)
# The same examples in every run; with HYPOTHESIS_PROFILE=explore new ones.
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

Strategy = st.SearchStrategy[Any]

EDGES = [0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
"""Where integers of 32 bits, doubles and integers of 64 bits end."""

FLOAT_EDGES = [0.0, -0.0, 1.0, 1e16, 1e22, 1.7976931348623157e308, 5e-324, 0.1, 2.0**53]
TEXT_EDGES = ["", "\x00", "null", '"\\/\u2028', "𝒳👩‍👩‍👧", "中文", "\ufeff", "e\u0301", "~0/1", "$extra", "extra"]


def texts(surrogates: bool) -> Strategy:
    """Draw text of all planes; with `surrogates` also such that is not UTF-8."""
    alphabet = st.characters(codec=None if surrogates else "utf-8")
    return st.one_of(st.sampled_from(TEXT_EDGES), st.text(alphabet, max_size=8))


def integers(huge: bool) -> Strategy:
    """Draw integers of 64 bits; with `huge` also wider ones."""
    wide = [2**64, -(2**63) - 1, 10**30] if huge else []
    return st.one_of(st.sampled_from([*EDGES, *wide]), st.integers(-(2**63), 2**63 - 1))


def floats(width: int = 64) -> Strategy:
    """Draw finite floats, -0.0 and subnormal ones among them."""
    drawn = st.floats(allow_nan=False, allow_infinity=False, width=width)
    return st.one_of(st.sampled_from(FLOAT_EDGES), drawn) if width == 64 else drawn


@cache
def json_values(surrogates: bool = True, huge: bool = True) -> Strategy:
    """Draw any JSON value."""
    scalars = st.one_of(st.none(), st.booleans(), integers(huge), floats(), texts(surrogates))
    return st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts(surrogates), inner, max_size=3)),
        max_leaves=5,
    )


@cache
def documents(kind: str, *, surrogates: bool = True, huge: bool = True, fits: bool = False) -> Strategy:
    """Draw documents of a message type.

    Args:
        kind: the message type's name, or "document".
        surrogates: also text with lone surrogates.
        huge: also integers of more than 64 bits.
        fits: only what the type covers, so that `extra` stays empty.
    """
    if kind == "document":
        return json_values(surrogates, huge)
    return Maker(surrogates, huge, fits).struct(MESSAGE_TYPES[kind], 6)


class Maker:
    """Makes the strategy of a struct, a field or a case.

    Args:
        surrogates: also text with lone surrogates.
        huge: also integers of more than 64 bits.
        fits: only what the types cover.
    """

    def __init__(self, surrogates: bool, huge: bool, fits: bool) -> None:
        self.text = texts(surrogates)
        self.json = json_values(surrogates, huge)
        self.fits = fits

    def struct(self, type_: type[Part], size: int = 4) -> Strategy:
        """Draw an object with up to `size` of the struct's fields, and now and then one that the struct has not."""
        hints = get_type_hints(type_, include_extras=True)
        fields = {name: self.field(hint) for name, hint in hints.items() if name != "extra"}

        @st.composite
        def draw_object(draw: Any) -> dict[str, Any]:
            names = draw(st.lists(st.sampled_from(list(fields)), max_size=size, unique=True))
            document = {name: draw(fields[name]) for name in names}
            if not self.fits and draw(st.integers(0, 3)) == 0:
                document |= draw(st.dictionaries(self.text, self.json, min_size=1, max_size=2))
            return document

        return draw_object()

    def field(self, hint: Any) -> Strategy:
        """Draw a field's value: of one of its cases, null, or of a wrong type."""
        cases = [case for case in union_cases(hint) if case is not type(UNSET) and case is not type(None)]
        fitting = st.one_of(st.none(), *(st.deferred(lambda case=case: self.case(case)) for case in cases))
        return fitting if self.fits else st.one_of(fitting, fitting, fitting, self.json)

    def case(self, hint: Any) -> Strategy:
        """Draw a value of one case of a field's union."""
        if get_origin(hint) is Annotated:
            marks = [mark for mark in hint.__metadata__ if isinstance(mark, str)]
            inner = get_args(hint)[0]
            if marks in (["json"], ["strs"]):
                return self.case(inner)
            return self.marked(marks[0]) if marks else self.case(inner)
        if len(union_cases(hint)) > 1:
            return st.one_of(*map(self.case, union_cases(hint)))
        if hint in (Any, object):
            return self.json
        if hint is type(None):
            return st.none()
        if get_origin(hint) is list:
            return st.lists(st.deferred(lambda: self.case(get_args(hint)[0])), max_size=2)
        if get_origin(hint) is dict:
            return st.dictionaries(self.text, self.json, max_size=2)
        if isinstance(hint, type) and issubclass(hint, Part):
            return self.struct(hint)
        return {str: self.text, bool: st.booleans(), int: integers(False), float: floats()}[hint]

    def marked(self, mark: str) -> Strategy:
        """Draw a value of a case that the types mark by name."""
        token = st.integers(-(2**31), 2**31 - 1)
        tokens = st.lists(token, max_size=5)
        odd = st.one_of(st.none(), integers(False))
        texts_ = st.lists(self.text, max_size=3)
        prompts = [self.text, texts_, tokens, st.lists(tokens, max_size=3), st.lists(self.json, max_size=3)]
        return {
            "bytes": st.lists(st.one_of(st.integers(0, 255), odd), max_size=5),
            "tokens": st.lists(st.one_of(token, odd, tokens), max_size=5),
            "prompt": st.one_of(*prompts),
            "vector": self.vectors(),
            "vectors": st.lists(st.one_of(self.vectors(), st.deferred(lambda: self.struct(Embedding))), max_size=3),
        }[mark]

    def vectors(self) -> Strategy:
        """Draw an embedding: float32, float64, integers, both mixed, base64 text, or nothing of the kind."""
        numbers = st.one_of(floats(), integers(False), integers(False))
        return st.one_of(
            st.lists(floats(32), min_size=1, max_size=6),
            st.lists(floats(), max_size=6),
            st.lists(integers(False), max_size=6),
            st.lists(numbers, max_size=6),
            st.just("AACAPwAAAEA="),
            st.lists(st.lists(floats(32), max_size=3), max_size=2) if self.fits else self.json,
        )


def float32s(size: int) -> list[float]:
    """Make numbers that are exactly float32."""
    return [float(value) for value in np.linspace(-1, 1, size, dtype=np.float32)]
