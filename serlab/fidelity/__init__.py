"""What each format keeps, refuses or changes, and what becomes of old and new bytes when a schema changes.

Both matrices are computed: every cell is the outcome of code that ran just now, with the libraries that are installed.

The fidelity matrix has a row for each trap, a value that one format or another cannot carry, in four directions:

- `round trip`: message → bytes → message, by the codec of serlab;
- `foreign bytes`: bytes with a fault that no codec here writes (a key twice, `NaN` in JSON, a cut) → message;
- `library, round trip` and `library, foreign bytes`: the same by the codec's library alone, with its defaults, which is
  what happens without serlab. protobuf's free form is `google.protobuf.Struct`, FlatBuffers' is FlexBuffers.

A cell says `kept`, `refused` (with the complaint) or `changed` (with what came instead); `no case` where the format has
no way to say it, `missing` where a package is not installed, `failed` where a codec raised what no codec may. Bytes
that state no value, such as a key twice or a message that is cut, can only be refused: a message that is read from them
is a change. The format of a codec is told by its bytes, so other packages' codecs are tried too.

The evolution matrix has a row for each change of a schema and each direction, old reader on new bytes and new reader on
old bytes. A cell says `reads`, `loses` (a value that was written is absent, without an error), `misreads` (a value came
without an error and is not the right one) or `refuses`, and whether the format's own published rules allow the change,
allow it on a condition or forbid it: a misreading after a forbidden change breaks no promise. The schemas are made at
run time, without a compiler, and their fields are optional; a reader's type for JSON and MessagePack is strict and
ignores what it does not know.
"""

from serlab.fidelity.cells import Cell, EvolutionCell
from serlab.fidelity.evolution import evolution_cells
from serlab.fidelity.matrix import chosen, fidelity_cells
from serlab.fidelity.show import show_matrices, write_matrices

__all__ = [
    "Cell",
    "EvolutionCell",
    "chosen",
    "evolution_cells",
    "fidelity_cells",
    "show_matrices",
    "write_matrices",
]
