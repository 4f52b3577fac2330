"""What is published: how runs are judged, which attempt is kept, and what a stopped one leaves."""

import shutil
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from scripts import attempts, stored
from scripts.attempts import Attempt, Job, Noise, attempts_at, best_of, noise_of, publish
from scripts.quiet import Load, Waited
from serlab.measure.options import OPERATIONS
from serlab.report.figures.picture import pixels
from serlab.results import is_finished, load_environment, load_results
from serlab.rows import Row, frame
from tests.support import pagerows
from tests.support.browser import needs_browser
from tests.support.folders import write
from tests.support.rows import named_row

JOB = Job("compare", ("compare", "--quick"), "time", 0.03, Path("nowhere"))
WIRE = Job("wire", ("wire", "all"), "wire", 0.06, Path("nowhere"))
PROCESSES = 3


def arm(codec: str, workload: str, value: float, operation: str = "decode", metric: str = "time") -> list[Row]:
    """Make the rows of an arm."""
    return [
        named_row("r", codec, "1", workload, "ChatRequest", operation, metric, "ns", i, value) for i in range(PROCESSES)
    ]


def rows(*ratios: float) -> list[Row]:
    """Make the rows of a run, one group for each of these A/A ratios; another codec is far from 1 everywhere."""
    found = []
    for i, ratio in enumerate(ratios):
        found += arm("orjson", f"w{i}", 100.0) + arm("orjson (A/A)", f"w{i}", 100.0 * ratio)
        found += arm("json", f"w{i}", 300.0)
    return found


def test_noise_is_the_share_of_groups_whose_again_is_too_far_from_one() -> None:
    """As far below as above; 1.03 itself is within."""
    found = noise_of(frame(rows(1.0, 1.029, 1.031, 0.96, 1 / 1.029)), JOB)
    assert found == (5, pytest.approx(0.4), pytest.approx(0.96), "w3, decode, orjson (A/A)")


def test_wire_is_judged_by_its_own_table() -> None:
    """A group of zeros has the ratio 1; one where only one arm is 0 has none, and is left out."""
    place = {"operation": "wire/transport/http/inflight=1", "metric": "latency"}
    none = {"operation": "wire/cancel/http", "metric": "left-tasks"}
    made = arm("orjson", "w", 100.0, **place) + arm("orjson (A/A)", "w", 107.0, **place)
    made += arm("http", "w", 0.0, **none) + arm("http (A/A)", "w", 0.0, **none)
    made += arm("http", "v", 0.0, **none) + arm("http (A/A)", "v", 1.0, **none)
    found = noise_of(frame(made), WIRE)
    assert (found.groups, found.beyond) == (2, 0.5)
    assert found.worst_group == "transport, w, http, inflight=1, latency, orjson (A/A)"


def test_run_without_again_is_as_noisy_as_can_be() -> None:
    """Nothing vouches for it."""
    found = noise_of(frame(arm("orjson", "w", 1.0) + arm("json", "w", 2.0)), JOB)
    assert (found.groups, found.beyond) == (0, 1.0) and "no group" in attempts.described(found, 0.03)


def test_best_attempt_has_the_fewest_groups_beyond_and_then_the_mildest_worst() -> None:
    """0.5 is as far from 1 as 2."""
    made = [
        Attempt(Path(str(i)), {}, Noise(10, beyond, worst, "w"))
        for i, (beyond, worst) in enumerate([(0.3, 1.04), (0.2, 0.5), (0.2, 1.9), (0.2, 2.1)])
    ]
    assert best_of(made) is made[2]


class Machine:
    """A machine that runs no serlab: each run leaves a results folder with the next noise.

    Attributes:
        ran: the arguments of each run.
    """

    def __init__(self, *noisy: bool) -> None:
        self.noisy = list(noisy)
        self.ran: list[Sequence[str]] = []
        self.status = 0
        self.cores = iter([0.1, 0.2, 0.3, 0.15, 0.25, 0.35])

    def run(self, arguments: Sequence[str]) -> int:
        """Leave a finished run, unless it fails."""
        self.ran.append(arguments)
        folder = Path(arguments[arguments.index("-o") + 1])
        if self.status in (0, 1):
            shutil.rmtree(folder, ignore_errors=True)
            write(folder, rows(*[1.2 if self.noisy.pop(0) else 1.01] * 2))
        return self.status

    def wait(self, say: Callable[[str], None]) -> Waited:
        """Find the machine quiet."""
        return Waited(next(self.cores), True, 5.0)

    def attempts(self, work: Path) -> list[Attempt]:
        """Make attempts in a folder."""
        return attempts_at(JOB, work, self.run, self.wait, lambda: Load(0.05, []))


def test_good_run_is_measured_once(tmp_path: Path) -> None:
    """And the load before, during and after it is kept beside it."""
    machine = Machine(False)
    (only,) = machine.attempts(tmp_path)
    assert machine.ran == [["compare", "--quick", "-o", str(tmp_path / "compare-1")]]
    assert only.load["busy_cores_before"] == 0.1 and only.load["busy_cores_after"] == 0.05 and only.load["quiet"]
    assert "busy_cores_during" in only.load


@pytest.mark.parametrize(("noisy", "runs"), [((True, False), 2), ((True, True, True, True), 3)])
def test_noisy_run_is_measured_again_three_times_at_most(tmp_path: Path, noisy: tuple[bool, ...], runs: int) -> None:
    """Until one is good."""
    machine = Machine(*noisy)
    assert len(machine.attempts(tmp_path)) == len(machine.ran) == runs


def test_finished_runs_are_picked_up(tmp_path: Path) -> None:
    """Of two that were made before, none is made again; the third follows."""
    Machine(True, True, True).attempts(tmp_path)
    shutil.rmtree(tmp_path / "compare-3")
    machine = Machine(False)
    found = machine.attempts(tmp_path)
    assert [one.folder.name for one in found] == ["compare-1", "compare-2", "compare-3"] and len(machine.ran) == 1
    assert best_of(found) is found[2]


def test_run_that_was_cut_goes_on(tmp_path: Path) -> None:
    """By --resume, and of the two loads before its halves the higher one is kept."""
    Machine(False).attempts(tmp_path)
    (tmp_path / "compare-1" / "results.parquet").unlink()
    machine = Machine(False)
    machine.cores = iter([0.02])
    (only,) = machine.attempts(tmp_path)
    assert machine.ran == [["compare", "--quick", "-o", str(tmp_path / "compare-1"), "--resume"]]
    assert only.load["busy_cores_before"] == 0.1 and only.load["resumed"] == 1


@pytest.mark.parametrize("status", [2, -9, 130])
def test_run_that_fails_is_no_attempt(tmp_path: Path, status: int) -> None:
    """Nothing is published then; a finding (status 1) is no failure."""
    machine = Machine(False)
    machine.status = status
    assert machine.attempts(tmp_path) == [] and len(machine.ran) == 1
    machine.status = 1
    assert len(machine.attempts(tmp_path)) == 1


def test_published_run_tells_the_load_and_the_noise_of_every_attempt(tmp_path: Path) -> None:
    """And is the best one's rows with the best one's environment."""
    made = Machine(True, False).attempts(tmp_path)
    publish(JOB._replace(target=tmp_path / "target"), best_of(made), made)
    record = load_environment(tmp_path / "target")["stored"]
    assert [one["kept"] for one in record["attempts"]] == [False, True] and record["aa_limit"] == 0.03
    assert [one["aa"]["beyond"] for one in record["attempts"]] == [1.0, 0.0]
    assert record["busy_cores_before"] == record["attempts"][1]["busy_cores_before"] == 0.2
    assert load_results(tmp_path / "target").equals(load_results(made[1].folder))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Have every step only note that it was taken."""
    steps: dict[str, Any] = {"taken": [], "fails": "", "work": tmp_path / "work", "published": tmp_path / "published"}

    def step(name: str) -> bool:
        steps["taken"].append(name)
        return name != steps["fails"]

    def measure(job: Job, work: Path) -> bool:
        write(work / f"{job.name}-1", rows(1.01))
        return step(job.name)

    def measure_noise(path: Path) -> bool:
        path.write_text("repetition\n")
        return step("noise")

    jobs = {
        name: JOB._replace(name=name, target=tmp_path / "stored" / name.replace("compare", ""))
        for name in ("compare", "wire")
    }
    for name, value in {
        "WORK": steps["work"], "PUBLISHED": steps["published"], "STORED": tmp_path / "stored", "JOBS": jobs,
        "measure": measure, "measure_noise": measure_noise, "write_readme": lambda _: step("readme"),
        "write_example": lambda *_: step("decide"),
        "execute_notebooks": lambda: step("notebooks"), "write_picture": lambda *_: step("page"),
    }.items():  # fmt: skip
        monkeypatch.setattr(stored, name, value)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    return steps


def test_all_parts_are_made_in_their_order(project: dict[str, Any]) -> None:
    """Runs first, then what shows them; the work folder is empty afterwards, so that the next time measures anew."""
    assert stored.main(["page", "readme", *stored.PARTS]) == 0
    assert project["taken"] == list(stored.PARTS)
    assert is_finished(stored.STORED) and is_finished(stored.STORED / "wire") and (stored.STORED / "noise.csv").exists()
    assert not list(project["work"].glob("*/*")) and len(list(project["published"].glob("*/compare-1"))) == 1


def test_nothing_is_published_before_all_is_measured(project: dict[str, Any]) -> None:
    """A run records whether the checkout was changed; what was measured stays for the next time."""
    project["fails"] = "noise"
    assert stored.main(stored.PARTS) == 1
    assert not stored.STORED.exists() and len(list(project["work"].glob("*/wire-1"))) == 1


def test_part_that_fails_later_keeps_the_runs(project: dict[str, Any]) -> None:
    """A notebook that raises costs no measurement: they are published, and picked up again."""
    project["fails"] = "notebooks"
    assert stored.main(stored.PARTS) == 1 and project["taken"][-1] == "notebooks"
    assert is_finished(stored.STORED) and len(list(project["work"].glob("*/compare-1"))) == 1


@pytest.mark.slow
def test_example_is_the_answer_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its marks, and nothing else of the page is touched."""
    monkeypatch.setattr(stored, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{stored.EXAMPLE_MARK}\nold\n{stored.EXAMPLE_END}\nafter\n")
    monkeypatch.setenv("PYTHONPATH", str(Path(stored.__file__).parents[2]))
    assert stored.write_example(pagerows.write(tmp_path / "run"), page)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "Which format for the chunks of a streamed answer" in text and "--scenario" not in text


def test_one_part_can_be_made_alone(project: dict[str, Any]) -> None:
    """The others are left as they are."""
    assert stored.main(["wire"]) == 0
    assert project["taken"] == ["wire"] and is_finished(stored.STORED / "wire") and not is_finished(stored.STORED)


def test_missing_browser_is_said_before_anything_is_measured(
    project: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the way to do without."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert stored.main(stored.PARTS) == 2 and not project["taken"]
    assert "--only compare,wire,noise,readme,decide,notebooks" in capsys.readouterr().err


def test_unknown_part_is_refused() -> None:
    """With the names that there are."""
    with pytest.raises(ArgumentTypeError, match=r"expected some of compare, wire, .* got 'pages'"):
        stored.parts_of("wire,pages")
    assert stored.parts_of("wire,page") == ["wire", "page"]


def test_other_code_has_other_runs(tmp_path: Path) -> None:
    """A changed file or version changes the name of the work folder; the order of the files does not."""
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("1")
    two.write_text("2")
    before = stored.fingerprint([one, two])
    assert before == stored.fingerprint([two, one])
    two.write_text("3")
    assert stored.fingerprint([one, two]) != before


def test_stored_run_times_every_operation_that_there_is() -> None:
    """The list is the package's own."""
    assert stored.JOBS["compare"].arguments[-1].split(",") == list(OPERATIONS)


@pytest.mark.slow
@needs_browser
def test_picture_is_of_the_page(tmp_path: Path) -> None:
    """1280 pixels wide, and not blank."""
    run = pagerows.write(tmp_path / "run")
    assert stored.write_picture(run, tmp_path / "page", tmp_path / "page.png")
    width, height, shown = pixels((tmp_path / "page.png").read_bytes())
    assert (width, height) == (stored.WIDTH, stored.HEIGHT) and len({*shown[::9]}) > 5
