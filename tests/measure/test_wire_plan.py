"""What a run on the wire plans: experiments, their workloads, their codecs."""

from pathlib import Path

import pytest

from serlab import compare
from serlab.errors import MissingPackageError, NotMeasuredError, UnknownNameError
from serlab.measure import wire
from serlab.measure.environment import environment
from serlab.measure.options import Options
from serlab.measure.plan import make_plan
from serlab.measure.wire import EXPERIMENTS, METRICS
from serlab.workloads import kind, names
from tests.conftest import WIRE_CODECS, Run

PARTS = ("wire",)


def units(options: Options) -> list[str]:
    """List the experiments with their workloads."""
    return [cell.unit for cell in make_plan(options).cells() if cell.part == "wire" and cell.process == 0]


def test_all_experiments_are_planned_on_their_own_workloads() -> None:
    """In every process, after parity."""
    plan = make_plan(Options(parts=PARTS, effort="quick"))
    cells = plan.cells()
    expected = [f"{name}/{workload}" for name, one in EXPERIMENTS.items() for workload in one.workloads]
    assert [cell.unit for cell in cells if cell.part == "wire" and cell.process == 4] == expected
    assert cells[0].part == "parity" and cells[-1].key == f"wire/{expected[-1]}/4"
    assert all(plan.cost(cell) > 0 for cell in cells)


def test_experiments_own_workloads_are_of_a_kind_that_they_take() -> None:
    """So that the catalogue does not contradict itself."""
    for one in EXPERIMENTS.values():
        assert one.workloads and set(one.workloads) <= set(names())
        assert all(not one.kinds or kind(name) in one.kinds for name in one.workloads)


def test_named_workload_goes_to_whatever_takes_its_kind() -> None:
    """A response is nothing that a stream can be asked for."""
    found = units(Options(parts=PARTS, workloads=("chat-response",), effort="quick"))
    assert found == [f"{name}/chat-response" for name, one in EXPERIMENTS.items()
                     if not one.kinds or "ChatResponse" in one.kinds]  # fmt: skip
    assert "cache/chat-response" in found and "stream/chat-response" not in found


def test_experiment_without_a_message_that_it_takes_is_refused() -> None:
    """With what it takes, what there is and what to do."""
    with pytest.raises(NotMeasuredError, match="vectors: expected messages of EmbeddingResponse, got ChatRequest"):
        make_plan(Options(parts=PARTS, experiments=("vectors",), workloads=("chat-turn",)))


def test_unknown_experiment_is_refused_with_the_known_ones(serlab: Run) -> None:
    """As a name of a codec is."""
    with pytest.raises(UnknownNameError, match="transport"):
        make_plan(Options(parts=PARTS, experiments=("transprot",)))
    done = serlab("wire", "transprot")
    assert done.returncode == 2 and "transport" in done.stderr and "Traceback" not in done.stderr


def lacking(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Make modules look as if they were not installed."""
    real = wire.util.find_spec
    monkeypatch.setattr(wire.util, "find_spec", lambda name: None if name in modules else real(name))


def test_missing_package_is_told_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the command that installs it, and with what can be measured without; no folder is left."""
    lacking(monkeypatch, *wire.NEEDS)
    told = r"wire transport needs granian: pip install 'serlab\[service\]' \(without it: serlab wire pooling\)"
    with pytest.raises(MissingPackageError, match=told):
        compare("orjson", parts=PARTS, directory=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_plan_and_its_record_need_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, workloads and the fingerprint are known without; what is installed is recorded with its version."""
    needed = make_plan(Options(parts=PARTS, effort="quick"))
    lacking(monkeypatch, *wire.NEEDS)
    plan = make_plan(Options(parts=PARTS, effort="quick"))
    assert plan.fingerprint() == needed.fingerprint() and plan.cells() == needed.cells()
    assert not set(wire.NEEDS) & set(environment(plan)["versions"])
    with pytest.raises(MissingPackageError):
        plan.check_installed()


def test_experiments_without_a_server_need_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a run without the wire."""
    lacking(monkeypatch, *wire.NEEDS)
    make_plan(Options(parts=PARTS, experiments=("pooling",))).check_installed()
    make_plan(Options(parts=("time",))).check_installed()


def test_fewer_codecs_meet_on_the_wire_unless_they_are_named() -> None:
    """The variants of vectors where there are vectors."""
    plan = make_plan(Options(parts=PARTS))
    assert set(plan.codecs_for("ChatRequest", "wire")) == set(WIRE_CODECS)
    assert "msgpack-bin" in plan.codecs_for("EmbeddingResponse", "wire")
    named = make_plan(Options(parts=PARTS, codecs=("orjson", "flatbuffers-official")))
    assert named.codecs_for("ChatRequest", "wire") == ["orjson", "flatbuffers-official"]


def test_corpus_is_taken_by_experiments_of_its_kinds(tmp_path: Path) -> None:
    """Recorded traffic takes the place of the built-in workloads."""
    body = '{"model": "m", "messages": [{"role": "user", "content": "hi"}]}\n'
    (tmp_path / "own.jsonl").write_text(body * 3)
    found = units(Options(parts=PARTS, corpora=(str(tmp_path / "own.jsonl"),), effort="quick"))
    assert {unit.partition("/")[0] for unit in found} == {
        name for name, one in EXPERIMENTS.items() if not one.kinds or "ChatRequest" in one.kinds
    }
    assert all(unit.partition("/")[2].startswith("own") for unit in found)


def test_units_of_the_metrics_are_stated() -> None:
    """Each metric has one unit."""
    assert METRICS["latency"] == "ns" and all(METRICS.values())
