"""Every error serlab raises.

    SerlabError
    ├── EncodeError (ValueError)          a message that this format cannot carry
    ├── DecodeError (ValueError)          bytes that are not a message of this format
    ├── NoSchemaError (ValueError)        a schema codec was asked for a kind it has no schema for
    ├── NoLimitsError (ValueError)        limits for a codec that has no scan to keep them
    ├── DocumentError (ValueError)        a document that cannot become a message
    ├── CorpusError (ValueError)          a corpus line or file that cannot be read
    ├── ResultsError (ValueError)         a results folder that cannot be read or continued
    ├── ScenarioError (ValueError)         a scenario with a wrong setting, or one that a run cannot answer
    ├── WorkerError (RuntimeError)        a measuring process died or reported a failure
    ├── InterpreterError (RuntimeError)   the environment of --base cannot be measured with
    ├── NotMeasuredError (LookupError)    a table or figure of what this run did not measure
    ├── ServiceError (RuntimeError)       the model server cannot start, or does not answer a request
    ├── UnknownNameError (LookupError)    no codec, workload, message or operation of that name
    ├── DuplicateNameError (ValueError)   two codecs under one name
    └── MissingPackageError (ImportError) an optional package is not installed

A message says what happened, where, what was expected, what came, and what to do about it.
"""

import difflib
from collections.abc import Iterable


class SerlabError(Exception):
    """Base of all errors that serlab raises on purpose.

    Attributes:
        passing: whether the same may go well next time: what is measured is measured again then.
    """

    passing = False


class EncodeError(SerlabError, ValueError):
    """A message holds something that the format cannot carry."""


class DecodeError(SerlabError, ValueError):
    """The bytes are not one whole message of this format."""


class NoSchemaError(SerlabError, ValueError):
    """A codec that needs a schema has none for this kind of message."""


class NoLimitsError(SerlabError, ValueError):
    """A codec that has no scan is given limits, or says that it verifies what it reads."""


class DocumentError(SerlabError, ValueError):
    """A document cannot become a message of the asked type."""


class CorpusError(SerlabError, ValueError):
    """A corpus file or one of its lines cannot be read.

    Args:
        file: path as the user gave it.
        line: 1-based line number, 0 when the file as a whole is at fault.
        reason: what was wrong with it.
    """

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}" if line else f"{file}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


class ResultsError(SerlabError, ValueError):
    """A results folder cannot be read, continued or written over."""


class ScenarioError(SerlabError, ValueError):
    """A scenario has a setting that is wrong, or asks for what a run has not measured."""


class WorkerError(SerlabError, RuntimeError):
    """A measuring process died, ran out of time or reported a failure."""


class InterpreterError(SerlabError, RuntimeError):
    """Another environment cannot be measured with: it has no Python, or what serlab needs is not there."""


class NotMeasuredError(SerlabError, LookupError):
    """A table or a figure was asked for, whose rows the run does not hold."""

    @classmethod
    def of(cls, what: str, needs: str, held: Iterable[str], remedy: str) -> "NotMeasuredError":
        """Build the error from what is missing.

        Args:
            what: what was asked for, e.g. "the access curve".
            needs: the rows that it stands on.
            held: what the run holds instead.
            remedy: the command that measures it.
        """
        there = ", ".join(sorted(set(held))) or "nothing"
        return cls(f"{what}: expected {needs}, but the run holds {there}; measure it with `{remedy}`")


class ServiceError(SerlabError, RuntimeError):
    """The model server cannot be started as asked, or does not answer a request as asked."""


class UnknownNameError(SerlabError, LookupError):
    """No codec, workload, message or operation has that name."""

    @classmethod
    def of(cls, what: str, name: str, known: Iterable[str]) -> "UnknownNameError":
        """Build the error with the nearest known name as the remedy.

        Args:
            what: the kind of thing that was looked up, e.g. "codec".
            name: what the caller asked for.
            known: the names that exist.
        """
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        return cls(f"no {what} named {name!r}{hint} Known: {', '.join(names)}")


class DuplicateNameError(SerlabError, ValueError):
    """Two codecs claim one name."""


class MissingPackageError(SerlabError, ImportError):
    """An optional package is not installed; the text names the command that installs it."""
