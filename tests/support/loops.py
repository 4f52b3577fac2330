"""Many cases that stand for one fact, in one test: a loop that tries all of them and names each that fails."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

FAILURES = (Exception, pytest.fail.Exception)
SHOWN = 20
"""So many failures are shown in full, the others by name."""


class CasesFailed(AssertionError):
    """Some cases of a loop failed.

    Attributes:
        failures: of each the name and what it raised, the first one's traceback stands above.
    """

    def __init__(self, tried: int, failures: list[tuple[str, BaseException]]) -> None:
        self.tried, self.failures = tried, failures
        told = [f"[{name}] {type(error).__name__}: {error}" for name, error in failures[:SHOWN]]
        told += [f"[{name}]" for name, _ in failures[SHOWN:]]
        super().__init__("\n".join([f"{len(failures)} of {tried} cases failed:", *told]))


def name_of(value: object) -> str:
    """Name a case by its value, shortly."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def flat(name: str, error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """List the failures behind an error: itself, or those of a loop inside."""
    if isinstance(error, CasesFailed):
        for inner, one in error.failures:
            yield f"{name}-{inner}", one
    else:
        yield name, error


def every(
    names: str | tuple[str, ...], values: Iterable[Any], ids: Iterable[str] | Callable[[Any], str] = name_of
) -> Callable[[Any], Any]:
    """Do as `pytest.mark.parametrize` does, within one test.

    All cases share the fixtures of the test. What one of them needs for itself, it makes itself.
    """
    arguments = (names,) if isinstance(names, str) else names
    cases = list(values)
    labels = list(map(ids, cases)) if callable(ids) else list(ids)
    assert cases and len(labels) == len(cases), f"{names}: {len(cases)} cases, {len(labels)} names"

    def decorate(test: Any) -> Any:
        count = len(cases) * getattr(test, "cases", 1)

        @functools.wraps(test)
        def loop(**fixtures: Any) -> None:
            failures: list[tuple[str, BaseException]] = []
            for label, case in zip(labels, cases, strict=True):
                given = dict(zip(arguments, (case,) if isinstance(names, str) else case, strict=True))
                try:
                    test(**fixtures, **given)
                except FAILURES as error:
                    failures += flat(label, error)
            if failures:
                raise CasesFailed(count, failures) from failures[0][1]

        signature = inspect.signature(test)
        left = [one for name, one in signature.parameters.items() if name not in arguments]
        assert len(left) == len(signature.parameters) - len(arguments), f"{test.__name__} takes no {names}"
        loop.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        loop.cases = count  # type: ignore[attr-defined]
        return loop

    return decorate
