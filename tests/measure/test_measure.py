"""What each part of a measurement does with known input."""

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

import pytest
import zstandard
from rich.console import Console

from serlab import build, open_codec, to_document
from serlab.cases import CONTROL, FLOOR_COPY, FLOOR_STRINGS, call_place
from serlab.comparison import Outlook, Ticker
from serlab.measure import inputs, interleave, parity, time
from serlab.measure.inputs import Reservoir, scan
from serlab.measure.job import (
    At,
    Batches,
    Done,
    Failed,
    Figure,
    Finding,
    Job,
    Kind,
    LeftOut,
    Record,
    read_job,
    read_record,
    written,
)
from serlab.measure.operations import MeanSizes, sizes
from serlab.measure.options import EFFORTS, Options
from serlab.measure.parity import Report, bodies_of, check
from serlab.measure.plan import make_plan
from serlab.measure.process import (
    Interpreter,
    Pulse,
    WorkerDied,
    cpu_ticks,
    lines,
    open_heartbeat,
    read_heartbeat,
    run_worker,
    shared_heartbeat,
)
from tests.support.jobs import all_of, figures_of, job_of
from tests.support.loops import every

EFFORT = EFFORTS["quick"]._replace(rounds=3, batch_ns=50_000, arm_ns=1_000_000)


def timing(workload: str, codecs: list[str], *operations: str) -> Job:
    """Describe a cell as the run does."""
    return job_of("time", workload, codecs, operations=operations, effort=EFFORT)


def test_parity_is_strict_about_types() -> None:
    """`1` and `1.0` are different, and the place is named."""
    message = build("chat-turn")[0]
    document = to_document(message)
    assert check("orjson", "ChatRequest", message, document).outcome == "equal"
    outcome = check("orjson", "ChatRequest", message, {**document, "top_p": 1})
    assert outcome.outcome == "changed" and "/top_p: expected int 1, got float 1.0" in outcome.reason
    assert check("protobuf", "document", {}, {}).outcome == "no_schema"


def test_sizes_are_those_of_the_file_that_the_tools_would_write(tmp_path: Path) -> None:
    """Raw is the length on the disk; gzip and zstd unpack to the same bytes."""
    data = open_codec("json", "ChatRequest").encode(build("rag-request")[0])
    (tmp_path / "body").write_bytes(data)
    found = sizes(data)
    assert found["raw"] == (tmp_path / "body").stat().st_size
    assert found["gzip"] == len(gzip.compress(data, 6)) and found["zstd"] == len(zstandard.compress(data, 3))


def test_mean_sizes_are_means() -> None:
    """Each message counts once."""
    mean = MeanSizes()
    for size in (1, 2, 6):
        mean.add({"raw": size, "gzip": 2 * size, "zstd": 0})
    assert mean.means() == {"raw": 3.0, "gzip": 6.0, "zstd": 0.0}


def test_the_parity_pass_counts_every_body_and_weighs_the_equal_ones() -> None:
    """A workload of 500 chunks has 500 outcomes, and one mean."""
    sent: list[Record] = []
    kinds = {"ChatChunk": Kind("stream", ["orjson"])}
    parity.run(Job(part="parity", workload="stream", kinds=kinds, size=True), sent.append)
    found = figures_of(sent)
    assert found["parity", "orjson", "equal"] == 500 and found["parity", "orjson", "changed"] == 0
    encode = open_codec("orjson", "ChatChunk").encode
    assert found["size", "orjson", "raw"] == sum(len(encode(chunk)) for chunk in build("stream")) / 500


def test_time_measures_every_codec_and_the_baseline_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each arm gives a median and its batches; values are nanoseconds per message."""
    monkeypatch.setattr(interleave.gc, "freeze", lambda: None)
    monkeypatch.setattr(interleave.gc, "disable", lambda: None)
    sent: list[Record] = []
    operations = ["encode", "decode", "read-one", "populate", "serialize", "deserialize", "convert", "relay"]
    time.run(timing("tool-call-response", ["orjson", "msgspec-json"], *operations), sent.append)
    found = figures_of(sent)
    codecs = {"orjson", "msgspec-json", "orjson" + CONTROL, FLOOR_COPY, FLOOR_STRINGS}
    assert {codec for _, codec, _ in found} == codecs
    assert {operation for operation, _, _ in found} == set(operations)
    assert all(20 < value < 500_000_000 for (name, _, _), value in found.items() if name in ("encode", "decode"))
    batches = all_of(Batches, sent)
    assert all(len(one.values) >= 3 and one.loops[0] >= 1 for one in batches) and len(batches) == 40


def test_compression_is_timed_once_for_equal_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure stands under each codec's name, and the baseline is measured against itself."""
    monkeypatch.setattr(interleave.gc, "freeze", lambda: None)
    monkeypatch.setattr(interleave.gc, "disable", lambda: None)
    sent: list[Record] = []
    time.run(timing("tool-call-response", ["json", "orjson", "msgpack"], "gzip"), sent.append)
    found = {codec: value for (_, codec, _), value in figures_of(sent).items()}
    assert found.keys() == {"json", "orjson", "msgpack", "orjson" + CONTROL, FLOOR_COPY}
    assert found["json"] == found["orjson"] != found["orjson" + CONTROL]


def test_stages_that_use_up_their_input_get_a_fresh_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A convert that fills in the library's object sees a new object at every call."""
    seen: set[int] = set()
    kept: list[Any] = []

    def convert(given: list[int]) -> None:
        assert id(given) not in seen
        seen.add(id(given))
        kept.append(given)

    arm = interleave.Arm("x", convert, [b"a", b"b"], 2, lambda _: [0])
    arm = interleave.calibrate(EFFORT._replace(batch_ns=1, arm_ns=1), arm)
    interleave.interleaved([arm._replace(loops=4)], Random(0))
    assert len(seen) >= 3 * 4 * 2


def test_a_codec_that_learns_is_measured_when_it_has_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message is encoded as often as the codec says before anything counts."""
    taught, seen = replace(open_codec("json", "ChatResponse"), learns=16), []
    monkeypatch.setattr(inputs, "open_codec", lambda *_: replace(taught, serialize=lambda one: seen.append(one) or b""))
    bound = inputs.bind(job_of("time", "tool-call-response"), "json", build("tool-call-response"))
    assert len(seen) == 17 and bound.encoded == [b""]
    assert open_codec("flatbuffers", "ChatResponse").learns > 1 > open_codec("orjson", "ChatResponse").learns


def test_a_hot_shape_is_encoded_by_code_of_its_own() -> None:
    """What the FlatBuffers codec says of itself: after so many uses, nothing more is compiled."""
    codec, messages = open_codec("flatbuffers", "ChatRequest"), build("azure-conv")
    inputs.warm_up(codec, messages)
    with monitored_compile() as compiled:
        for message in messages:
            codec.encode(message)
    assert not compiled


@contextmanager
def monitored_compile() -> Iterator[list[Any]]:
    """Note each call of `compile` and `exec` while it lasts."""
    noted: list[Any] = []
    active = [True]

    def hook(event: str, details: Any) -> None:
        if active[0] and event in ("compile", "exec"):
            noted.append(details)

    sys.addaudithook(hook)
    try:
        yield noted
    finally:
        # A hook cannot be taken out again.
        active[0] = False


def test_making_arguments_does_not_take_over_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fast, but needs an argument that is slow to make, gets few calls in a batch."""
    made, clock = [0], [0]

    def spend(nanoseconds: int) -> None:
        clock[0] += nanoseconds

    def slow(_: object) -> int:
        made[0] += 1
        spend(1_000_000)
        return 100

    monkeypatch.setattr(interleave, "perf_counter_ns", lambda: clock[0])
    arm = interleave.calibrate(EFFORT._replace(batch_ns=1_000_000), interleave.Arm("x", spend, [b""], 1, slow))
    assert made[0] == interleave.WARM_UP_BATCHES and arm.loops < 100
    whole = interleave.warm_up(arm)[1]
    assert whole < 20 * interleave.LONGEST_BATCH * 1_000_000


def test_a_worker_that_is_silent_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run does not hang with it."""
    monkeypatch.setattr("serlab.measure.process.cpu_ticks", lambda pid: 0)
    with pytest.raises(WorkerDied, match=r"no sign of life for 0\.001 s"):
        run_worker(job_of("memory"), lambda sent: None, silence_s=0.001)


def test_a_worker_that_goes_on_is_not_killed_for_its_silence() -> None:
    """It may write nothing for as often as it has done something since it was asked last."""
    asked = [0]
    with started_child("import sys; sys.stdin.read(); print('done')") as process:

        def goes_on() -> bool:
            asked[0] += 1
            if asked[0] == 4:
                process.stdin.close()
            return True

        assert list(lines(process, 0.01, goes_on)) == [b"done"] and asked[0] >= 4


def test_a_worker_that_stands_still_is_killed() -> None:
    """What it did before it was stopped counts only once."""
    answers = iter([True, True, False])
    with started_child("import sys; sys.stdin.read()") as process:
        with pytest.raises(TimeoutError, match="no sign of life"):
            list(lines(process, 0.01, lambda: next(answers)))
        assert next(answers, None) is None


def test_a_batch_is_a_sign_of_life_and_a_processor_only_before_the_first_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An interpreter that starts is alive; later a codec may run in circles."""
    ticks = count()
    monkeypatch.setattr("serlab.measure.process.cpu_ticks", lambda pid: next(ticks))
    with shared_heartbeat() as descriptor:
        pulse, mark = Pulse(os.getpid(), descriptor), open_heartbeat(descriptor)
        assert pulse.changed() and pulse.changed()
        monkeypatch.setattr("serlab.measure.process.cpu_ticks", lambda pid: 7)
        assert not Pulse(os.getpid(), descriptor).changed()
        pulse.started = True
        pulse.changed()
        assert not pulse.changed()
        for _ in range(2):
            mark("orjson")
            assert pulse.changed() and read_heartbeat(descriptor) == "orjson"
        assert not pulse.changed()


def test_use_of_a_processor_is_read_from_the_system() -> None:
    """It goes up while a process works; one that is gone has none."""
    before = cpu_ticks(os.getpid())
    end = process_time() + 0.05
    while process_time() < end:
        continue
    assert cpu_ticks(os.getpid()) > before and cpu_ticks(2**22 + 1) == 0


@contextmanager
def started_child(code: str) -> Iterator[Any]:
    """Start a Python that runs some code, and end it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def test_a_worker_that_fails_says_why() -> None:
    """Its own error arrives."""
    with pytest.raises(WorkerDied, match="no workload named 'nowhere'"):
        run_worker(job_of("time", "nowhere", [], kind="ChatRequest"), lambda sent: None)


def test_what_two_processes_tell_each_other_arrives_as_it_was() -> None:
    """Documents of values that UTF-8 or 64 bits cannot hold; whole numbers stay whole."""
    given = job_of("time", "c.jsonl", kind="ChatRequest", documents=[{"n": 1 << 70, "user": "cut \ud83d"}], mark=3)
    assert read_job(written(given)) == given and written(given).isascii()
    place = call_place("stream", transport="http", every=8)
    counted = Figure("w", "ChatRequest", "orjson", "aa", *place, "equal", "bodies", 3)
    batches = Batches({"cpu_count": 2, "uptime": 1.5}, "orjson", "measured", "encode", (4, 1), [1.0, 2.5])
    found = Finding("w", "orjson", "refused", "cut \ud83d")
    for sent in (At(""), counted, batches, found, LeftOut("w", [1]), Failed("why", True), Done()):
        assert read_record(written(sent)) == sent
    assert b'"value": 3,' in written(counted)


@every(
    "line", ["noise", "5", "[]", "{}", '{"row": {}}', '{"type": "Done"', '{"type": "At"}', '{"type": "At", "codec": 1}']
)
def test_a_worker_that_sends_what_is_no_record_costs_one_error(tmp_path: Path, line: str) -> None:
    """Whatever else it is; what came before is kept, and its codec is named."""
    program, sent = tmp_path / "python", list[Record]()
    program.write_text(f'#!/bin/sh\necho \'{{"type": "At", "codec": "orjson"}}\'\necho \'{line}\'\n')
    program.chmod(0o755)
    with pytest.raises(WorkerDied, match=re.escape(f"sent what is no record: {line.encode()!r}")) as error:
        run_worker(job_of("time"), sent.append, interpreter=Interpreter(str(program), {}))
    assert sent == [At("orjson")] and error.value.at == "orjson" and not error.value.passing


def test_a_reservoir_is_seeded_and_bounded() -> None:
    """The same stream gives the same sample, in the order of the file; each part of the file may be in it."""

    def sample(seed: int) -> list[Any]:
        reservoir = Reservoir(10, Random(seed))
        for i in range(1000):
            reservoir.add(i)
        return reservoir.take(1_000_000).documents()

    assert sample(1) == sample(1) != sample(2) and len(sample(1)) == 10 and sample(1) == sorted(sample(1))
    assert max(sample(seed)[-1] for seed in range(20)) > 900


def test_a_sample_of_long_bodies_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer of them are kept, the same ones each time, from all of the file; short bodies of another kind stay."""
    monkeypatch.setattr(inputs, "MOST_KEPT", 100_000)
    long = [f'{{"x": "{i:03d}{"A" * 10_000}"}}\n' for i in range(300)]
    short = '{"model": "m", "messages": []}\n' * 50
    (tmp_path / "t.jsonl").write_text(short + "".join(long))

    def kept(seed: int) -> dict[str, list[int]]:
        samples = scan((str(tmp_path / "t.jsonl"),), 200, 1000, seed, False)["t.jsonl"].samples
        assert sum(len(text) for sample in samples.values() for _, text in sample.kept) <= 100_000
        return {kind: [number for number, _ in sample.kept] for kind, sample in samples.items()}

    assert kept(1) == kept(1) != kept(2)
    assert len(kept(1)["ChatRequest"]) == 50 and len(kept(1)["document"]) == 9
    assert max(max(kept(seed)["document"]) for seed in range(5)) > 200


def test_one_body_beyond_the_bound_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a corpus of such would have nothing to measure."""
    monkeypatch.setattr(inputs, "MOST_KEPT", 100)
    (tmp_path / "t.jsonl").write_text(f'{{"x": "{"A" * 1000}"}}\n' * 3)
    found = scan((str(tmp_path / "t.jsonl"),), 200, 1000, 0, False)["t.jsonl"]
    assert found.kinds == {"document": 3} and len(found.samples["document"].kept) == 1


def test_a_scanned_corpus_names_a_workload_for_each_kind(tmp_path: Path) -> None:
    """Two files of one name get their paths as names."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.jsonl").write_text('{"x": 1}\n{"model": "m", "messages": []}\n')
    one = scan((str(tmp_path / "a/t.jsonl"),), 5, 1000, 0, False)
    assert one["t.jsonl"].workloads() == {"document": "t.jsonl:document", "ChatRequest": "t.jsonl:ChatRequest"}
    two = scan(tuple(str(tmp_path / name / "t.jsonl") for name in "ab"), 5, 1000, 0, False)
    assert list(two) == [str(tmp_path / name / "t.jsonl") for name in "ab"]


def test_check_counts_list_positions_as_one_field(tmp_path: Path) -> None:
    """`/messages/0/x` and `/messages/1/x` are `/messages/*/x`."""
    (tmp_path / "c.jsonl").write_text(
        '{"model": "m", "messages": [{"role": "user", "x": 1}, {"role": "user", "x": 2}]}'
    )
    report = Report(["json"])
    for body in bodies_of([str(tmp_path / "c.jsonl")], [], 0, True, report):
        report.add(body)
    assert report.unknown_fields == {"/messages/*/x": 2} and report.is_clean


def test_progress_learns_what_the_plan_got_wrong() -> None:
    """Cells that take other times than planned: the estimate of the whole run is soon right within 30 %."""
    plan = make_plan(Options(codecs=("orjson", "json", "msgpack"), effort="quick"))
    slower = {"parity": 1.3, "memory": 0.6, "time": 2.0}
    heavier = {name: 0.7 + 0.6 * (i % 2) for i, name in enumerate(plan.sources)}
    true = {cell: plan.cost(cell) * slower[cell.part] * heavier[cell.unit] for cell in plan.cells()}
    outlook, elapsed, shares = Outlook(plan), 0.0, []
    for cell, seconds in true.items():
        outlook.learn(cell, seconds)
        elapsed += seconds
        shares.append((elapsed + (outlook.seconds() or 0)) / sum(true.values()))
    assert shares[-1] == pytest.approx(1) and all(0.7 < share < 1.3 for share in shares[len(shares) // 3 :])


def test_cells_of_a_stopped_run_say_nothing_about_speed() -> None:
    """They are read, not measured."""
    plan = make_plan(Options(codecs=("orjson",), workloads=("chat-turn",), effort="quick"))
    outlook = Outlook(plan)
    first, second, *_ = plan.cells()
    outlook.learn(first, 0.001)
    assert outlook.seconds() is None
    outlook.learn(second, 1.0)
    assert outlook.seconds() is not None


def test_progress_is_written_in_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The last cell is always shown, with nothing left."""
    plan = make_plan(Options(codecs=("orjson",), workloads=("chat-turn",), effort="quick"))
    now = [0.0]
    with Ticker(plan, Console(), clock=lambda: now[0]) as ticker:
        for cell in plan.cells():
            now[0] += plan.cost(cell)
            ticker.finished(cell)
    count = len(plan.cells())
    assert capsys.readouterr().out.splitlines()[-1] == f"{count}/{count} time/chat-turn/4, 0:00 left"
