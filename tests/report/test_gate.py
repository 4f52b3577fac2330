"""serlab gate: what may not go in."""

import io
import json
from pathlib import Path

import pytest

from serlab.console import Shown
from serlab.errors import ResultsError
from serlab.verdicts import compare_runs, judge
from serlab.verdicts_show import gate_lines, github_lines, show_diff
from tests.conftest import Run
from tests.support.folders import SIZES, paired_rows, rows_of, write


def failures(*directories: Path, allow: tuple[str, ...] = ()) -> set[str]:
    """List the figures that fail."""
    return {change.name for change in judge(list(directories), allow).failures}


def test_equal_runs_pass_whatever_their_times(tmp_path: Path) -> None:
    """Times of two runs are never compared, and the gate says that it did not judge them."""
    base = write(tmp_path / "base", rows_of("a"))
    head = write(tmp_path / "head", rows_of("b", {"orjson": 900.0, "msgpack": 9000.0, "json": 1.0}), cpu="another CPU")
    gate = judge([base, head])
    assert gate.failures == [] and gate.judged == 30 and "time is not judged" in gate.notes[0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sizes": {**SIZES, "msgpack": 150.001}}, {f"w1/size/msgpack/{name}" for name in ("raw", "gzip", "zstd")}),
        ({"allocations": {**SIZES, "json": 201.0}}, {"w1/decode/json/allocations"}),
        ({"equal": {"orjson": 2}}, {"w1/parity/orjson/equal"}),
    ],
)
def test_any_growth_and_any_loss_fails(tmp_path: Path, change: dict[str, dict[str, float]], expected: set[str]) -> None:
    """A byte, an allocation, a body; on both workloads."""
    base, head = write(tmp_path / "base", rows_of("a")), write(tmp_path / "head", rows_of("a", **change))  # type: ignore[arg-type]
    assert failures(base, head) == expected | {name.replace("w1", "w2") for name in expected}
    improved = judge([head, base])
    assert improved.failures == [] and len(improved.improvements) == 2 * len(expected)


def test_a_codec_that_is_gone_or_kills_its_process_fails(tmp_path: Path) -> None:
    """A figure that base has and head lacks is no pass."""
    base = write(tmp_path / "base", rows_of("a"))
    head = [row for row in rows_of("a") if row.codec != "json"]
    head += [
        row._replace(metric="failed", value=1.0)
        for row in rows_of("a")
        if row[1:2] == ("json",) and row.metric == "equal"
    ]
    found = failures(base, write(tmp_path / "head", head))
    assert {"w1/size/json/raw", "w1/decode/json/allocations", "w1/parity/json/equal"} <= found


def test_allowed_figures_are_listed_and_pass(tmp_path: Path) -> None:
    """Patterns are matched against workload/operation/codec/metric; one that matches nothing is told."""
    base, head = (
        write(tmp_path / "base", rows_of("a")),
        write(tmp_path / "head", rows_of("a", sizes={**SIZES, "json": 201.0})),
    )
    gate = judge([base, head], ("*/size/json/*", "*/size/protobuf/*"))
    assert gate.failures == [] and len(gate.allowed) == 6
    assert "--allow */size/protobuf/*: nothing that became worse matches" in gate.notes
    assert failures(base, head, allow=("w1/*",)) == {f"w2/size/json/{name}" for name in ("raw", "gzip", "zstd")}


def test_another_python_or_other_bodies_cannot_be_judged(tmp_path: Path) -> None:
    """Allocation counts are those of one minor version; of another CPU they are the same."""
    base = write(tmp_path / "base", rows_of("a"))
    other = write(tmp_path / "other", rows_of("a"), python="CPython 3.12.1")
    bodies = write(tmp_path / "bodies", rows_of("a"), plan={"seed": 2, "corpora": {}})
    for head in (other, bodies):
        with pytest.raises(ResultsError, match="measure both"):
            judge([base, head])


@pytest.mark.parametrize(("factor", "expected"), [(1.2, {"w1/decode/json/time"}), (1.0, set()), (0.8, set())])
def test_a_paired_slowdown_beyond_the_margin_fails(tmp_path: Path, factor: float, expected: set[str]) -> None:
    """A fifth slower is found; noise passes; faster is an improvement."""
    rows = paired_rows("a", {"orjson": 1.0, "msgpack": 1.0, "json": factor})
    gate = judge([write(tmp_path / "head", rows)])
    assert {change.name for change in gate.failures} == expected
    assert [change.name for change in gate.improvements] == (["w1/decode/json/time"] if factor < 1 else [])


def test_a_slowdown_inside_the_spread_of_the_machine_passes(tmp_path: Path) -> None:
    """The same fifth, where two equal processes differ by half."""
    assert failures(write(tmp_path / "head", paired_rows("a", {"json": 1.2}, noise=0.4))) == set()


def test_noise_rarely_fails(tmp_path: Path) -> None:
    """Of 100 pairs of equal codecs none fails."""
    gates = [judge([write(tmp_path / f"{i}", paired_rows(f"s{i}", {"orjson": 1.0, "json": 1.0}))]) for i in range(50)]
    assert sum(len(gate.failures) for gate in gates) == 0 and sum(gate.judged for gate in gates) == 100


def test_one_folder_without_pairs_has_nothing_to_judge(tmp_path: Path) -> None:
    """The remedy is named."""
    with pytest.raises(ResultsError, match="measure head with --base BASE_VENV, or name two folders"):
        judge([write(tmp_path / "head", rows_of("a"))])


def test_a_name_is_no_command_to_github(tmp_path: Path) -> None:
    """Neither in a gate's lines and annotations nor in a table, whose cells begin lines of their own when folded."""
    odd = {"json": "##[stop-commands]tok", "w1": "::stop-commands::tok", "w2": "a" * 300 + ":::stop-commands::tok"}
    base, head = (
        write(
            tmp_path / name,
            [
                row._replace(codec=odd.get(row.codec, row.codec), workload=odd[row.workload])
                for row in rows_of(name, sizes={**SIZES, "json": size})
            ],
        )
        for name, size in (("base", 200.0), ("head", 201.0))
    )
    gate = judge([base, head])
    out = io.StringIO()
    console = Shown(file=out, width=60, force_terminal=False, markup=False, emoji=False, highlight=False)
    show_diff(console, compare_runs(base, head))
    annotations = [line.removeprefix("::error title=serlab gate::") for line in github_lines(gate)]
    assert gate.failures and len(annotations) == len(gate.failures)
    lines = [*gate_lines(gate), *annotations, *out.getvalue().splitlines()]
    assert not [line for line in lines if "##[" in line or line.strip().startswith("::")]
    assert any("## [stop-commands]tok" in line for line in lines)


def test_what_a_refusal_tells_is_no_command_to_github(serlab: Run, tmp_path: Path) -> None:
    """A gate that cannot judge says what differs, as the folders name it."""
    write(tmp_path / "base", rows_of("a"))
    write(tmp_path / "head", rows_of("a"), plan={"seed": 0, "corpora": {"##[add-mask]e": "1"}})
    done = serlab("gate", "base", "head", "--github")
    assert done.returncode == 2 and "## [add-mask]e" in done.stderr and "##[" not in done.stderr


def test_the_command_fails_names_and_annotates(serlab: Run, tmp_path: Path) -> None:
    """Status 1, a line for each failure, and annotations on request; status 0 and 2 otherwise."""
    write(tmp_path / "base", rows_of("a"))
    write(tmp_path / "head", rows_of("a", sizes={**SIZES, "json": 201.0}) + paired_rows("a", {"msgpack": 1.3}))
    done = serlab("gate", "base", "head", "--github")
    assert done.returncode == 1 and "FAIL: w1/size/json/raw larger: 200 → 201, ratio 1.0050" in done.stdout
    assert "FAIL: w1/decode/msgpack/time slower: " in done.stdout
    assert "::error title=serlab gate::w1/size/json/raw larger" in done.stdout
    assert done.stdout.count("::error") == 7 and "gate: 7 worse" in done.stdout
    allowed = serlab("gate", "base", "head", "--allow", "*/json/*", "--allow", "*/time", "--json")
    assert allowed.returncode == 0 and json.loads(allowed.stdout)["passed"] is True
    assert serlab("gate", "base").returncode == 2
    assert serlab("gate", "base", "head", "head").returncode == 2


def test_a_figure_beyond_all_numbers_is_null(serlab: Run, tmp_path: Path) -> None:
    """A folder may hold figures so small that a ratio to them is none."""
    least = [
        row._replace(value=5e-324) if row.metric == "time-paired" and "other_env" in row.role else row
        for row in rows_of("a") + paired_rows("a", {"msgpack": 1.3})
    ]
    write(tmp_path / "head", least)
    for command in (("gate", "head", "--json"), ("diff", "head", "head", "--json")):
        done = serlab(*command)
        assert done.returncode in (0, 1) and json.loads(done.stdout), done.stderr
        assert "Infinity" not in done.stdout and "Traceback" not in done.stderr
