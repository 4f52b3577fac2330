"""The fidelity and evolution matrices: cells whose truth is known, and the command that shows them."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from serlab.codecs import codec_infos, codec_names
from serlab.errors import UnknownNameError
from serlab.fidelity import Cell, EvolutionCell, chosen, evolution_cells, fidelity_cells
from serlab.fidelity.cells import DIRECTIONS, FOREIGN, LIBRARY, LIBRARY_FOREIGN, ROUND_TRIP
from serlab.fidelity.evolution import ALLOWED, CHANGES, FORBIDDEN, NEW_READER, OLD_READER, Field, formats_of
from serlab.fidelity.faults import FAULTS
from serlab.fidelity.matrix import has_library
from serlab.fidelity.traps import TRAPS
from tests.conftest import Run
from tests.support.loops import every

FORMATS = [format_ for info in codec_infos() for format_ in formats_of(info)]
FILES = {f"{name}.{suffix}" for name in ("fidelity", "evolution") for suffix in ("md", "csv", "tex", "html", "json")}


@cache
def cells() -> dict[tuple[str, str, str], Cell]:
    """Compute the fidelity matrix once: (codec, trap, direction) → cell."""
    return {(cell.codec, cell.trap, cell.direction): cell for cell in fidelity_cells(codec_names())}


@cache
def evolution() -> dict[tuple[str, str, str], EvolutionCell]:
    """Compute the evolution matrix once: (format, change, direction) → cell."""
    return {(cell.codec, cell.change, cell.direction): cell for cell in evolution_cells(codec_names())}


def test_every_codec_meets_every_trap_and_every_fault() -> None:
    """None is left out, and none is there twice."""
    names = codec_names()
    assert {key for key in cells() if key[2] == ROUND_TRIP} == {
        (name, trap.name, ROUND_TRIP) for name in names for trap in TRAPS
    }
    assert {key for key in cells() if key[2] == FOREIGN} == {
        (name, fault.name, FOREIGN) for name in names for fault in FAULTS
    }
    assert len(evolution()) == len(FORMATS) * len(CHANGES) * 2
    assert len(cells()) == len(fidelity_cells(names))


def test_no_built_in_codec_fails_or_is_missing() -> None:
    """A failure would be a fault of the codec, or of the trap."""
    assert {cell.outcome for cell in cells().values()} == {"kept", "refused", "changed", "no case"}
    assert {cell.outcome for cell in evolution().values()} == {"reads", "loses", "misreads", "refuses"}


def test_two_runs_give_the_same_cells() -> None:
    """No address, no order of a set."""
    assert fidelity_cells(["orjson", "msgspec-msgpack"]) == fidelity_cells(["orjson", "msgspec-msgpack"])
    assert not any("0x7" in cell.detail or "\n" in cell.detail for cell in cells().values())


@every(
    ("codec", "trap", "direction", "outcome", "detail"),
    [
        # RFC 8259, section 6: JSON has no NaN; orjson writes null and the standard library a literal.
        ("json", "NaN, typed", ROUND_TRIP, "refused", "not JSON compliant"),
        ("orjson", "NaN, free form", ROUND_TRIP, "refused", "RFC 8259"),
        ("orjson", "NaN, typed", LIBRARY, "changed", "None for nan"),
        ("json", "NaN, typed", LIBRARY, "kept", ""),
        ("json", "NaN, typed", FOREIGN, "refused", "NaN is not JSON"),
        ("json", "NaN, typed", LIBRARY_FOREIGN, "kept", ""),
        # IEEE 754 doubles in the binary formats.
        ("msgpack", "NaN, free form", ROUND_TRIP, "kept", ""),
        ("protobuf", "infinity, typed", ROUND_TRIP, "kept", ""),
        ("flatbuffers", "NaN, vector", ROUND_TRIP, "kept", ""),
        # Integers: MessagePack and orjson have 64 bits, protobuf's Struct has doubles only.
        ("msgpack", "2^64, free form", ROUND_TRIP, "refused", ""),
        ("json", "2^64, free form", ROUND_TRIP, "kept", ""),
        ("protobuf", "2^63, typed", LIBRARY, "refused", "ValueError"),
        ("protobuf", "2^53 + 1, free form", LIBRARY, "changed", "9007199254740992.0 for 9007199254740993"),
        ("orjson", "2^64, free form", LIBRARY_FOREIGN, "changed", "1.8446744073709552e+19"),
        ("protobuf", "1e300 in a vector", LIBRARY, "changed", "inf for 1e+300"),
        ("protobuf", "0.1 in a vector, not a float32", ROUND_TRIP, "kept", ""),
        ("protobuf", "empty vector", LIBRARY, "changed", "None for []"),
        # Keys and texts.
        ("json", "key that is not a string, free form", LIBRARY, "changed", "'1' for 1"),
        ("flatbuffers", "key order, free form", LIBRARY, "changed", "another order"),
        ("protobuf", "key order, free form", LIBRARY, "changed", "another order"),
        ("json", "key order, typed", ROUND_TRIP, "changed", "'model' for 'temperature'"),
        ("msgpack", "bytes, free form", ROUND_TRIP, "kept", ""),
        ("json", "lone surrogate, content", ROUND_TRIP, "kept", ""),
        ("protobuf", "lone surrogate, content", ROUND_TRIP, "refused", "UnicodeEncodeError"),
        # The wire: of a key or field that is there twice the last wins; protobuf merges messages in a row.
        ("orjson", "key twice, free form", FOREIGN, "changed", "{'a': 2}"),
        ("protobuf", "a second message behind", FOREIGN, "changed", "{'model': 'n', 'seed': 1}"),
        ("protobuf", "cut between two fields", FOREIGN, "changed", "'model'"),
        ("msgpack", "a byte behind the message", FOREIGN, "refused", "ExtraData"),
        ("msgpack", "UTF-16", FOREIGN, "no case", ""),
    ],
)
def test_a_cell_says_what_the_specification_says(
    codec: str, trap: str, direction: str, outcome: str, detail: str
) -> None:
    """The outcome, and what came instead or the complaint."""
    cell = cells()[codec, trap, direction]
    assert (cell.outcome, detail in cell.detail) == (outcome, True), cell


@every(
    ("codec", "change", "direction", "outcome", "detail"),
    [
        ("flatbuffers", "fields declared in another order", OLD_READER, "misreads", "prompt 5 for 7"),
        ("flatbuffers (id attributes)", "fields declared in another order", OLD_READER, "reads", "prompt 7"),
        ("protobuf", "fields declared in another order", NEW_READER, "reads", "prompt 7"),
        ("protobuf", "fields numbered anew", OLD_READER, "misreads", "prompt 5 for 7"),
        ("protobuf", "field renamed", OLD_READER, "reads", "prompt 7"),
        ("protobuf", "int32 to int64, a value beyond 32 bits", OLD_READER, "misreads", "7 for 1099511627783"),
        ("protobuf", "int32 to int64, a value beyond 32 bits", NEW_READER, "reads", "7"),
        ("protobuf", "int32 to sint32 (zigzag)", NEW_READER, "misreads", "-4 for 7"),
        ("protobuf", "float to double", NEW_READER, "loses", "nothing for 0.5"),
        ("protobuf", "string to list of strings", NEW_READER, "reads", "['end']"),
        ("protobuf", "enum value added at the end", OLD_READER, "reads", "#2"),
        ("json", "field renamed", OLD_READER, "loses", "prompt nothing for 7"),
        ("json", "enum value added at the end", OLD_READER, "refuses", "Invalid enum value 'max'"),
        ("msgspec-msgpack", "fields declared in another order", OLD_READER, "reads", "prompt 7"),
        ("msgspec-msgpack (arrays)", "fields declared in another order", OLD_READER, "misreads", "prompt 5 for 7"),
        ("msgspec-msgpack (arrays)", "field renamed", OLD_READER, "reads", "prompt 7"),
        ("orjson", "string to string or list", NEW_READER, "reads", "'end'"),
        ("flatbuffers", "int32 to int64, small values", OLD_READER, "reads", "9"),
        ("flatbuffers", "int32 to int64, small values", NEW_READER, "misreads", "for 7"),
    ],
)
def test_a_changed_schema_does_what_the_format_promises(
    codec: str, change: str, direction: str, outcome: str, detail: str
) -> None:
    """Names in maps, numbers in protobuf, positions in arrays and in FlatBuffers without `id`."""
    cell = evolution()[codec, change, direction]
    assert (cell.outcome, detail in cell.detail) == (outcome, True), cell


@every(
    ("codec", "change", "rule"),
    [
        # protobuf, "Updating A Message Type": wire-unsafe, wire-safe and wire-compatible changes.
        ("protobuf", "fields numbered anew", "forbidden"),
        ("protobuf", "field replaced, its number used again", "forbidden"),
        ("protobuf", "field removed in the middle", "allowed"),
        ("protobuf", "fields declared in another order", "allowed"),
        ("protobuf", "int32 to int64, a value beyond 32 bits", "conditional"),
        ("protobuf", "string to list of strings", "conditional"),
        ("protobuf", "int32 to sint32 (zigzag)", "forbidden"),
        # FlatBuffers, "Evolution": additions at the end unless there are ids, no removals, types of one width.
        ("flatbuffers", "field added in the middle", "forbidden"),
        ("flatbuffers (id attributes)", "field added in the middle", "allowed"),
        ("flatbuffers (id attributes)", "field removed at the end", "forbidden"),
        ("flatbuffers", "int32 to uint32", "conditional"),
        ("flatbuffers", "int32 to int64, small values", "forbidden"),
        ("flatbuffers", "field renamed", "allowed"),
        # msgspec, "Schema Evolution": no other types, and arrays are neither reordered nor added to but at the end.
        ("msgspec-msgpack", "fields declared in another order", "allowed"),
        ("msgspec-msgpack (arrays)", "fields declared in another order", "forbidden"),
        ("msgspec-json (arrays)", "field added in the middle", "forbidden"),
        ("orjson", "int32 to string", "forbidden"),
    ],
)
def test_a_change_is_allowed_as_the_formats_own_guide_says(codec: str, change: str, rule: str) -> None:
    """In both directions, and a rule that speaks against the change is quoted."""
    for direction in (OLD_READER, NEW_READER):
        cell = evolution()[codec, change, direction]
        assert (cell.rule, cell.because == "") == (rule, rule == ALLOWED), cell


def test_every_rule_is_of_a_change_that_is_tried() -> None:
    """A rule under a name that no change has would be lost."""
    names = {change.name for change in CHANGES}
    assert all(set(format_.rules) <= names for format_ in FORMATS)


def test_no_format_misreads_after_a_change_that_its_rules_allow() -> None:
    """What is misread was forbidden, or allowed on a condition that the values break."""
    misread = [cell for cell in evolution().values() if cell.outcome == "misreads"]
    assert {cell.rule for cell in misread} == {"forbidden", "conditional"}


@every("name", [format_.name for format_ in FORMATS])
def test_a_field_added_at_the_end_is_read_by_every_format(name: str) -> None:
    """Both ways, which is the least that a format must do."""
    assert evolution()[name, "field added at the end", OLD_READER].outcome == "reads"
    assert evolution()[name, "field added at the end", NEW_READER].outcome == "reads"


@every("format_", FORMATS, ids=[format_.name for format_ in FORMATS])
def test_an_unchanged_schema_reads_what_was_written(format_: object) -> None:
    """Every type of the changes comes back as it went, so that what goes wrong is the change's doing."""
    found = format_.make()  # type: ignore[attr-defined]
    for change in CHANGES:
        for schema, meant in ((change.old, change.old_values), (change.new, change.new_values)):
            values = {field.name: meant[field.means] for field in schema}
            assert found.read(schema, found.write(schema, values)) == values, change.name


def test_numbers_of_a_changed_schema_are_its_own() -> None:
    """No change uses a number twice in one schema, which no compiler would take."""
    for change in CHANGES:
        for schema in (change.old, change.new):
            assert len({field.number for field in schema}) == len({field.name for field in schema}) == len(schema)
            assert all(isinstance(field, Field) for field in schema)


def test_unknown_codec_is_named_with_the_nearest() -> None:
    """As everywhere."""
    assert chosen(()) == codec_names() and chosen(("json", "json")) == ["json"]
    with pytest.raises(UnknownNameError, match="did you mean 'orjson'"):
        chosen(("orjsn",))


@pytest.mark.slow
def test_command_prints_both_matrices_and_writes_them(serlab: Run, tmp_path: Path) -> None:
    """Five formats each; the status is 0, since a matrix is no finding."""
    done = serlab("fidelity", "-o", "out")
    assert done.returncode == 0 and done.stderr == ""
    text = " ".join(done.stdout.split())
    assert "NaN, typed: changed by orjson, msgspec-json: None for nan" in text
    assert "field renamed: loses by json, orjson, msgpack, msgspec-json, msgspec-msgpack: prompt nothing for 7" in text
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    rows = pd.read_csv(tmp_path / "out/fidelity.csv", keep_default_na=False)
    # A spreadsheet would take "-2^63 …" for a formula.
    rows = rows.replace(to_replace="^'(?=[-+=@])", value="", regex=True)
    assert [tuple(row) for row in rows.itertuples(index=False)] == [tuple(cell) for cell in cells().values()]
    table = (tmp_path / "out/evolution.md").read_text()
    misread = [cell.rule for cell in evolution().values() if cell.outcome == "misreads"]
    assert f"that they forbid: {misread.count(FORBIDDEN)}." in text and "(M)" in text
    assert "misreads: prompt 5 for 7, completion 7 for 5 (forbidden) |" in table
    assert "orjson 3" in table and "| old reader, new bytes | field renamed | loses: prompt nothing for 7 |" in table


@pytest.mark.slow
def test_json_output_has_the_cells_of_the_chosen_codecs(serlab: Run) -> None:
    """The documented shape, and what was computed in this process too."""
    done = serlab("fidelity", "--json", "--codec", "orjson,flatbuffers")
    found = json.loads(done.stdout)
    assert found["fidelity"] == [cell._asdict() for cell in cells().values() if cell.codec in ("orjson", "flatbuffers")]
    assert {cell["direction"] for cell in found["fidelity"]} == set(DIRECTIONS)
    assert {cell["codec"] for cell in found["evolution"]} == {"orjson", "flatbuffers", "flatbuffers (id attributes)"}
    keys = {"codec", "change", "direction", "outcome", "detail", "rule", "because"}
    assert set(found["evolution"][0]) == keys
    assert serlab("fidelity", "--codec", "orjsn").returncode == 2


@pytest.mark.slow
def test_planted_codecs_are_found_out(serlab: Run, plugin_home: Path) -> None:
    """One drops a field, one raises what no codec may; the others keep their cells."""
    done = serlab("fidelity", "--json", "--codec", "lossy,wild,json", plugins=plugin_home)
    found = {(cell["codec"], cell["trap"], cell["direction"]): cell for cell in json.loads(done.stdout)["fidelity"]}
    lossy = found["lossy", "1, where 1.0 may stand, typed", ROUND_TRIP]
    assert (lossy["outcome"], lossy["detail"]) == ("changed", "nothing for 1")
    assert found["lossy", "2^53 + 1, typed", ROUND_TRIP]["outcome"] == "kept"
    assert found["lossy", "NaN, typed", FOREIGN]["outcome"] == "refused", "its format is told from its bytes"
    wild = [cell for cell in found.values() if cell["codec"] == "wild" and cell["outcome"] != "refused"]
    assert {cell["outcome"] for cell in wild} == {"failed"} and "ZeroDivisionError: planted" in wild[0]["detail"]
    assert all(cells()[key].outcome == cell["outcome"] for key, cell in found.items() if key[0] == "json")


@pytest.mark.slow
@pytest.mark.parametrize("package", ["msgpack", "google.protobuf"])
def test_missing_package_costs_its_own_cells_only(package: str, tmp_path: Path) -> None:
    """They say what to install."""
    name = package.removeprefix("google.")
    code = f"import sys, json; sys.modules[{package!r}] = None; sys.argv = ['serlab', 'fidelity', '--json']\n"
    code += "from serlab.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    outcomes = {cell["outcome"] for cell in found["fidelity"] if cell["codec"] == name}
    assert outcomes == {"missing"} or outcomes == {"missing", "no case"}
    assert any(f"pip install {name}" in cell["detail"] for cell in found["fidelity"] if cell["codec"] == name)
    assert {cell["outcome"] for cell in found["evolution"] if cell["codec"] == name} == {"missing"}
    assert "missing" not in {cell["outcome"] for cell in found["fidelity"] if cell["codec"] in ("json", "orjson")}
    assert has_library(name)
