"""A loop of cases hides none that fails."""

import inspect

import pytest

from tests.support.loops import CasesFailed, every


def test_every_failure_of_nested_loops_is_named_and_the_others_were_tried() -> None:
    """With the values of both loops, and what was raised."""
    tried = []

    @every(("one", "two"), [(1, "a"), (2, "b"), (3, "c")])
    @every("three", ["x", "y"], ids=["first", "second"])
    def check(one: int, two: str, three: str, fixture: str) -> None:
        tried.append((one, two, three))
        assert (one, three) != (2, "y"), fixture
        if one == 3:
            pytest.fail("planted")

    assert list(inspect.signature(check).parameters) == ["fixture"]
    with pytest.raises(CasesFailed, match="3 of 6 cases failed") as caught:
        check(fixture="the fixture's")
    assert len(tried) == 6
    assert [name for name, _ in caught.value.failures] == ["(2, 'b')-second", "(3, 'c')-first", "(3, 'c')-second"]
    assert "the fixture's" in str(caught.value) and "Failed: planted" in str(caught.value)


def test_cases_that_all_hold_pass_and_no_cases_are_a_mistake() -> None:
    """A loop over nothing would say nothing; so would one over an argument that nobody takes."""
    every("one", [1, 2])(lambda one: None)()
    with pytest.raises(AssertionError, match="0 cases"):
        every("one", [])
    with pytest.raises(AssertionError, match="takes no two"):
        every("two", [1])(lambda one: None)
