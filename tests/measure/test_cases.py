"""What the names in a row say is written and read in one place."""

from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serlab import cases
from serlab.cases import (
    BYTES_OF,
    FLOOR,
    FORMULA,
    Case,
    arm_and_place,
    case_of,
    operation_named,
    place_of,
    placed,
    where,
)
from serlab.results import load_results

STORED = Path(__file__).parents[2] / "notebooks" / "stored"

CASES = [
    Case("orjson", beginning, *flags)
    for beginning, *flags in product(("", FLOOR, BYTES_OF, FORMULA), *[(False, True)] * 3)
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_name_and_case_are_one(case: Case) -> None:
    """All marks a name may bear."""
    assert case_of(case.name) == case
    assert case_of(case.second).first == case.first == case._replace(again=False).name


@given(st.text(st.characters(exclude_characters="/ ")))
def test_any_name_comes_back(name: str) -> None:
    """A codec of a corpus or of another package may bear any name."""
    assert case_of(name).name == name
    assert place_of(operation_named("stream", name)).under == name
    assert arm_and_place(f"two words {name}") == ("two words", name)


@pytest.mark.parametrize("folder", [STORED, STORED / "wire"], ids=["codecs", "wire"])
def test_every_name_of_a_run_comes_back(folder: Path) -> None:
    """Of the stored runs."""
    rows = load_results(folder)
    assert [case_of(name).name for name in rows["codec"].unique()] == [*rows["codec"].unique()]
    for operation in rows["operation"].unique():
        place = place_of(operation)
        parts = (place.operation, *filter(None, [place.experiment]), *place.conditions)
        assert "/".join(parts) == operation


@pytest.mark.parametrize("name", ["mine+zstd", "formula: mine", "mine"])
def test_a_codec_that_is_named_like_a_mark_is_run_by_its_own_name(name: str) -> None:
    """Its version, its failures and its file are asked for by that."""
    assert [case_of(name + ending).ran for ending in ("", " (A/A)", " (base)", " (base) (A/A)")] == [name] * 4


def test_an_experiment_has_parts() -> None:
    """The conditions begin after the part."""
    place = place_of("wire/pooling/share/threads=4")
    assert (place.experiment, place.conditions) == ("pooling", ("share", "threads=4"))
    assert (place.within("pooling"), place.within("pooling/share")) == ("share/threads=4", "threads=4")
    assert place.within("pool") is None and place.within("pooling/count") is None
    assert cases.number_in("threads=4") == ("threads", "4")


def test_columns_are_asked_name_by_name() -> None:
    """Also a column without rows."""
    codecs = pd.Series(["orjson", "orjson (A/A)", "floor: copy", "orjson"])
    assert [*where(codecs, lambda case: case.is_compared)] == [True, False, False, True]
    assert [*placed(pd.Series(["encode", "wire/cache/call"]), lambda place: bool(place.experiment))] == [False, True]
    assert where(codecs[:0], lambda case: True).dtype == bool
