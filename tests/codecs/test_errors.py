"""The error tree: as the docstring draws it, and each under a class of Python's own."""

import re

import pytest

from serlab import errors
from serlab.errors import CorpusError, SerlabError, UnknownNameError

DRAWN = re.findall(r"[├└]── (\w+) \((\w+)\)", errors.__doc__ or "")


def test_docstring_draws_every_error() -> None:
    """No class is missing and none is drawn that is not there."""
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, SerlabError)}
    assert {name for name, _ in DRAWN} == {class_.__name__ for class_ in classes} - {"SerlabError"}


@pytest.mark.parametrize(("name", "base"), DRAWN)
def test_error_is_a_serlab_error_and_one_of_pythons(name: str, base: str) -> None:
    """Code that knows nothing of serlab can catch it."""
    assert [class_.__name__ for class_ in getattr(errors, name).__bases__] == ["SerlabError", base]


def test_corpus_error_names_file_and_line() -> None:
    """Without a line where the whole file is at fault."""
    assert str(CorpusError("a.jsonl", 3, "not JSON")) == "a.jsonl:3: not JSON"
    assert str(CorpusError("a.jsonl", 0, "cannot be read")) == "a.jsonl: cannot be read"


def test_unknown_name_without_a_near_one_lists_the_known() -> None:
    """No suggestion is made up."""
    error = UnknownNameError.of("codec", "zzz", ["b", "a"])
    assert str(error) == "no codec named 'zzz'. Known: a, b"
