"""serlab diff: what changed between two runs, and which runs may not be compared."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from serlab.errors import ResultsError
from serlab.stats import Estimate, spread, unpaired_ratio
from serlab.verdicts import SAME, compare_runs
from tests.conftest import Run
from tests.support.folders import SIZES, TIMES, VERSIONS, rows_of, write


def verdicts(old: Path, new: Path) -> dict[str, str]:
    """Map each figure to its verdict."""
    return {change.name: change.verdict for change in compare_runs(old, new).changes}


def test_a_run_and_its_copy_tie_in_everything(tmp_path: Path) -> None:
    """No figure differs, and every exact one is equal."""
    old, new = write(tmp_path / "old", rows_of("a")), write(tmp_path / "new", rows_of("a"))
    diff = compare_runs(old, new)
    assert Counter(change.verdict for change in diff.changes) == {"equal": 2 * 3 * 5, "tie": 2 * 2}
    assert diff.reference == "orjson" and diff.versions == [] and diff.notes == []


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_a_tie(tmp_path: Path, seed: int) -> None:
    """Two runs of the same codecs, each with noise of its own."""
    old, new = write(tmp_path / "old", rows_of(f"o{seed}")), write(tmp_path / "new", rows_of(f"n{seed}"))
    assert set(verdicts(old, new).values()) == {"equal", "tie"}


def test_a_codec_that_became_a_fifth_slower_is_found_on_a_slower_day(tmp_path: Path) -> None:
    """The machine is half as fast in the second run, which is no difference; msgpack is, and json ties."""
    times = {codec: 2 * time * (1.2 if codec == "msgpack" else 1) for codec, time in TIMES.items()}
    versions = {"orjson": "3.0", "msgpack": "2.0", "msgspec": "0.22.0"}
    old = write(tmp_path / "old", rows_of("a"))
    new = write(tmp_path / "new", rows_of("b", times, versions={**VERSIONS, "msgpack": "2.0"}), versions=versions)
    diff = compare_runs(old, new)
    found = {change.name: change for change in diff.changes if change.metric == "time"}
    assert {name: change.verdict for name, change in found.items()} == {
        "w1/decode/msgpack/time": "slower",
        "w2/decode/msgpack/time": "slower",
        "w1/decode/json/time": "tie",
        "w2/decode/json/time": "tie",
    }
    change = found["w1/decode/msgpack/time"]
    assert change.low < 1.2 < change.high and change.old == pytest.approx(1.3, rel=0.05)
    assert [tuple(version) for version in diff.versions] == [("msgpack", "1.0", "2.0")]
    assert diff.changes[0].codec == "msgpack" and diff.changes[0].metric == "time"


def test_sizes_counts_and_parity_are_compared_exactly(tmp_path: Path) -> None:
    """One byte, one allocation and one body more or less."""
    old = write(tmp_path / "old", rows_of("a", equal={"json": 2}))
    changed = rows_of("a", sizes={**SIZES, "msgpack": 151.0}, allocations={**SIZES, "json": 199.0}, equal={"orjson": 2})
    found = verdicts(old, write(tmp_path / "new", changed))
    assert {name: verdict for name, verdict in found.items() if name[:2] == "w1" and verdict not in SAME} == {
        "w1/size/msgpack/raw": "larger",
        "w1/size/msgpack/gzip": "larger",
        "w1/size/msgpack/zstd": "larger",
        "w1/decode/json/allocations": "smaller",
        "w1/parity/orjson/equal": "lost",
        "w1/parity/json/equal": "gained",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"cpu": "another CPU"}, "cpu: 'a CPU' and 'another CPU'"),
        ({"cores": 4}, "cores: 2 and 4"),
        ({"os": "Darwin 24"}, "os: 'Linux' and 'Darwin'"),
        ({"python": "CPython 3.12.1"}, "python: 'CPython 3.11' and 'CPython 3.12'"),
        ({"python": "PyPy 3.11.7"}, "python: 'CPython 3.11' and 'PyPy 3.11'"),
        ({"plan": {"seed": 1, "corpora": {}}}, "seed: 0 and 1"),
        ({"plan": {"seed": 0, "corpora": {"t.jsonl": "f00"}}}, "corpora: {} and {'t.jsonl': 'f00'}"),
    ],
)
def test_runs_of_other_machines_or_bodies_are_refused(
    tmp_path: Path, changed: dict[str, object], complaint: str
) -> None:
    """The text names what differs."""
    old, new = write(tmp_path / "old", rows_of("a")), write(tmp_path / "new", rows_of("a"), **changed)
    with pytest.raises(ResultsError, match="measure both") as error:
        compare_runs(old, new)
    assert complaint in str(error.value)


def test_a_patch_of_python_or_of_the_system_is_an_upgrade(tmp_path: Path) -> None:
    """It is listed with the versions."""
    old = write(tmp_path / "old", rows_of("a"))
    diff = compare_runs(old, write(tmp_path / "new", rows_of("a"), python="CPython 3.11.9", os="Linux 6.2"))
    assert {version.name for version in diff.versions} == {"Python", "system"}
    assert any("Python changed: it lies under every codec" in note for note in diff.notes)


def test_an_upgraded_baseline_gives_way_to_an_unchanged_codec(tmp_path: Path) -> None:
    """Ratios to something that changed say nothing; the note names both."""
    times = {**TIMES, "orjson": 80.0}
    new = write(tmp_path / "new", rows_of("b", times, versions={**VERSIONS, "orjson": "4.0"}))
    diff = compare_runs(write(tmp_path / "old", rows_of("a")), new)
    assert diff.reference == "json" and "the baseline orjson went from 3.0 to 4.0" in diff.notes[0]
    found = {change.name: change.verdict for change in diff.changes if change.metric == "time"}
    assert found["w1/decode/orjson/time"] == "faster" and found["w1/decode/msgpack/time"] == "tie"


def test_without_an_unchanged_codec_no_time_is_compared(tmp_path: Path) -> None:
    """Sizes still are."""
    new = write(tmp_path / "new", rows_of("b", versions=dict.fromkeys(VERSIONS, "9")))
    diff = compare_runs(write(tmp_path / "old", rows_of("a")), new)
    assert diff.reference == "" and "no time is compared" in diff.notes[0]
    assert {change.metric for change in diff.changes} == {"raw", "gzip", "zstd", "allocations", "equal"}


def test_the_command_shows_the_largest_effect_first(serlab: Run, tmp_path: Path) -> None:
    """The status is 0, since a difference is information; ties are named."""
    write(tmp_path / "old", rows_of("a"))
    write(tmp_path / "new", rows_of("b", {**TIMES, "msgpack": 100.0, "json": 600.0}))
    done = serlab("diff", "old", "new")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.index("json") < done.stdout.index("msgpack") and "slower" in done.stdout
    found = json.loads(serlab("diff", "old", "new", "--json").stdout)
    assert found["reference"] == "orjson" and {change["verdict"] for change in found["changes"]} >= {"faster", "slower"}


def test_the_command_refuses_another_machine_in_one_line(serlab: Run, tmp_path: Path) -> None:
    """What differs and what to do, with status 2."""
    write(tmp_path / "old", rows_of("a"))
    write(tmp_path / "new", rows_of("a"), cpu="another CPU")
    done = serlab("diff", "old", "new")
    assert done.returncode == 2 and "cpu: 'a CPU' and 'another CPU'" in done.stderr and "--base" in done.stderr
    assert serlab("diff", "old", "missing").returncode == 2


def test_the_interval_between_two_runs_covers_the_truth() -> None:
    """Of 200 pairs of runs whose true ratios are equal, at least 90 % of the intervals hold 1."""
    random = np.random.default_rng(3)
    draws = [[dict(enumerate(np.exp(random.normal(0, 0.02, 10)))) for _ in range(2)] for _ in range(200)]
    estimates = [unpaired_ratio(new, old) for new, old in draws]
    assert sum(estimate.low <= 1 <= estimate.high for estimate in estimates) >= 180
    assert unpaired_ratio({}, {0: 1.0}).n == 0


def test_the_spread_between_two_runs_is_the_widest_that_both_allow() -> None:
    """A run that is 2 % off at most and one that is 3 % off at most may differ by 5 %."""
    found = spread(Estimate(1.0, 0.98, 1.02, 10), Estimate(1.0, 0.97, 1.03, 8))
    assert found == (1.0, pytest.approx(0.98 / 1.03), pytest.approx(1.02 / 0.97), 8)
