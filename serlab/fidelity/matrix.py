"""Both matrices: every codec with every trap and every fault, every format with every change."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from serlab.codecs import codec_info, codec_names, open_codec
from serlab.codecs.base import reason
from serlab.errors import DocumentError, UnknownNameError
from serlab.fidelity.cells import (
    FAILED,
    FOREIGN,
    LIBRARY,
    LIBRARY_FOREIGN,
    MISSING,
    NO_CASE,
    ROUND_TRIP,
    Cell,
    brief_text,
    judged,
)
from serlab.fidelity.faults import FAULTS
from serlab.fidelity.foreign import CODECS, KIND, PROBE, Foreign, bytes_of, encoded
from serlab.fidelity.libraries import has_library, is_plain, through_library
from serlab.fidelity.traps import TRAPS, Trap

Attempt = Callable[[], tuple[Any, Any]]
WITHOUT_DOCUMENT = "a message that has no document"


def chosen(names: Sequence[str]) -> list[str]:
    """Resolve the codecs: those that were named, or all, installed or not.

    Raises:
        UnknownNameError: there is no codec of that name.
    """
    known = codec_names()
    for name in names:
        if name not in known:
            raise UnknownNameError.of("codec", name, known)
    return list(dict.fromkeys(names)) or known


def fidelity_cells(codecs: Sequence[str]) -> list[Cell]:
    """Send every trap through every codec, and through its library where that can be tried by itself.

    Args:
        codecs: names of the registry; a codec whose package is missing has cells that say so.

    Returns:
        The cells in the order of directions, traps and codecs.
    """
    libraries = [name for name in codecs if has_library(name)]
    plain = [name for name in libraries if is_plain(name)]
    return [
        *(trap_cell(codec, trap) for trap in TRAPS for codec in codecs),
        *(fault_cell(codec, fault) for fault in FAULTS for codec in codecs),
        *(library_cell(codec, trap) for trap in TRAPS for codec in libraries),
        *(library_fault_cell(codec, fault) for fault in FAULTS for codec in plain),
    ]


def trap_cell(codec: str, trap: Trap) -> Cell:
    """Send a trap through a codec and back."""

    def attempt() -> tuple[Any, Any]:
        bound = open_codec(codec, trap.kind)
        back = bound.decode(bound.encode(trap.build()))
        return trap.look(trap.document), seen(trap, back)

    return Cell(codec, trap.name, ROUND_TRIP, *judged(attempt))


def fault_cell(codec: str, fault: Foreign) -> Cell:
    """Have a codec decode bytes with a fault."""
    outcome, format_ = find_format(codec)
    if outcome:
        return Cell(codec, fault.name, FOREIGN, outcome, format_)
    if format_ not in fault.damage:
        return Cell(codec, fault.name, FOREIGN, NO_CASE, "")
    attempt = decoding(fault, format_, lambda data: seen(fault, open_codec(codec, KIND).decode(data)))
    return Cell(codec, fault.name, FOREIGN, *judged(attempt))


@cache
def find_format(codec: str) -> tuple[str, str]:
    """Give no outcome and the format, or the outcome for all faults and its reason."""
    try:
        encoded(codec, PROBE)
    except ImportError as error:
        return MISSING, brief_text(str(error))
    except Exception as error:
        return FAILED, brief_text(f"cannot write the plainest message: {reason(error)}")
    family = codec_info(codec).format.family
    return ("", family) if family in CODECS else (NO_CASE, "a format of its own")


def decoding(fault: Foreign, format_: str, decode: Callable[[bytes], Any]) -> Attempt:
    """Prepare the bytes of a fault and their decoding."""
    return lambda: (fault.expected, decode(bytes_of(fault, format_)))


def seen(source: Trap | Foreign, message: Any) -> Any:
    """Give what is compared of a message that came back."""
    try:
        return source.look(source.walk(message))
    except DocumentError:
        return WITHOUT_DOCUMENT


def library_cell(codec: str, trap: Trap) -> Cell:
    """Send a trap through a library by itself; whatever it raises is its refusal."""
    found: tuple[Any, Any] | None = (None, None)

    def attempt() -> tuple[Any, Any]:
        nonlocal found
        found = through_library(codec, trap)
        return found or (None, None)

    outcome, detail = judged(attempt, Exception)
    return Cell(codec, trap.name, LIBRARY, *((outcome, detail) if found else (NO_CASE, "")))


def library_fault_cell(codec: str, fault: Foreign) -> Cell:
    """Have a library by itself decode bytes with a fault."""
    info = codec_info(codec)
    format_ = info.format.family
    if format_ not in fault.damage:
        return Cell(codec, fault.name, LIBRARY_FOREIGN, NO_CASE, "")
    attempt = decoding(fault, format_, lambda data: fault.look(info.plain_functions()[1](data)))
    return Cell(codec, fault.name, LIBRARY_FOREIGN, *judged(attempt, Exception))
