"""Each command's help, and what it answers to wrong inputs: status and words."""

import gzip
import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from scripts.oracle import normal
from scripts.oracle.answers import MADE_UP, STORED
from scripts.oracle.shell import Run, item_of, serlab, together
from scripts.oracle.store import Record, full

COMMANDS = (
    "list", "check", "size", "time", "memory", "throughput", "compare", "fidelity", "diff", "gate", "report", "export",
    "figures", "decide", "serve", "wire",
)  # fmt: skip
MEASURING = ("size", "time", "memory", "throughput", "compare", "wire")
SECONDS = 120.0
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
LINE = json.dumps(BODY).encode() + b"\n"

FILES: dict[str, bytes] = {
    "good.jsonl": LINE * 3,
    "empty.jsonl": b"",
    "blank.jsonl": b"\n\n \n",
    "broken.jsonl": LINE + b'{"model": "m", "mess\n' + LINE,
    "text.jsonl": b"no JSON at all\nnor here\n",
    "latin1.jsonl": LINE + b'{"model": "\xe9"}\n',
    "utf16.jsonl": LINE.decode().encode("utf-16"),
    "zeros.jsonl": bytes(2000),
    "pretty.json": json.dumps(BODY, indent=2).encode(),
    "array.json": json.dumps([BODY, BODY]).encode(),
    "numbers.jsonl": b"1\n2.5\nnull\ntrue\n",
    "nan.jsonl": b'{"model": "m", "messages": [], "temperature": NaN}\n',
    "infinite.jsonl": b'{"model": "m", "messages": [], "temperature": 1e999}\n',
    "huge-int.jsonl": b'{"model": "m", "messages": [], "seed": ' + b"9" * 30 + b"}\n",
    "long-int.jsonl": b'{"model": "m", "messages": [], "seed": ' + b"9" * 5000 + b"}\n",
    "twice.jsonl": b'{"model": "m", "model": "n", "messages": []}\n',
    "surrogate.jsonl": b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}\n',
    "deep.jsonl": b'{"model": "m", "messages": [], "x": ' + b"[" * 600 + b"]" * 600 + b"}\n",
    "acts.jsonl": b'{"model": "m", "messages": [], "\\u001b[31mred\\u202e": 1}\n',
    "long.jsonl": LINE + b'{"model": "' + b"m" * (5 << 20) + b'", "messages": []}\n',
    "log.jsonl": json.dumps({"id": 1, "input": BODY, "output": {"text": "x"}}).encode() + b"\n",
    "document.jsonl": b'{"anything": [1, 2, {"else": null}]}\n',
    "cut.jsonl.gz": gzip.compress(LINE * 500, mtime=0)[:-20],
    "wrong.jsonl.gz": LINE,
    "wrong.jsonl.zst": b"(\xb5/\xfd" + b"nothing",
    "hidden.jsonl": gzip.compress(LINE, mtime=0),
    "broken.sse": b'data: {"id": "1", "object": "chat.completion.chunk"\n\ndata: [DONE]\n\n',
    "rubbish.sse": b"event: x\ndata: hello\n\n: comment\nnonsense\n\n",
    "plain.txt": b"not a folder\n",
    "broken.toml": b"question = \n",
    "latin1.toml": b'question = "\xe9"\n',
    "unknown-key.toml": (MADE_UP / "mine.toml").read_bytes() + b"\n[colour]\nred = 1\n",
    "wrong-type.toml": (MADE_UP / "mine.toml").read_bytes().replace(b"crossings = 1", b'crossings = "many"'),
    "negative.toml": (MADE_UP / "mine.toml").read_bytes().replace(b"crossings = 1", b"crossings = -1"),
    "no-messages.toml": b'question = "q"\nobjective = "time"\n',
    "wrong-kind.toml": (MADE_UP / "mine.toml").read_bytes().replace(b"ChatRequest", b"ChatRequst"),
    "wrong-operation.toml": (MADE_UP / "mine.toml").read_bytes().replace(b"decode = 1 }", b"decod = 1 }"),
    "wrong-workload.toml": (MADE_UP / "mine.toml").read_bytes().replace(b"chat-turn = 4", b"chat-trun = 4"),
    "wrong-objective.toml": (MADE_UP / "mine.toml").read_bytes().replace(b'"money"', b'"beauty"'),
}
"""The wrong files, and some right ones beside them."""

CORPORA: dict[str, tuple[str, ...]] = {
    "corpus is missing": ("absent.jsonl",),
    "corpus is a folder": ("folder",),
    "corpus is a link to nowhere": ("nowhere.jsonl",),
    "corpus is a link to itself": ("loop.jsonl",),
    "corpus has too long a name": ("n" * 300,),
    "corpus cannot be read": ("/proc/self/mem",),
    "corpus has no name": ("",),
    "corpus given twice": ("good.jsonl", "good.jsonl"),
    **{f"corpus {name}": (name,) for name in FILES if not name.endswith((".toml", ".txt")) and name != "good.jsonl"},
}
"""Case → the corpora that `check` is given."""

USAGE: dict[str, str] = {
    "no such command": "cmpare",
    "list takes nothing": "list everything",
    "check: no such codec": "check --codec jsn --corpus good.jsonl",
    "check: codec of capitals": "check --codec ORJSON --corpus good.jsonl",
    "check: codec without a name": "check --codec , --corpus good.jsonl",
    "check: codec and no such codec": "check --codec json,nope,orjson --corpus good.jsonl",
    "check: no such workload": "check --workload chat-trun",
    "check: seed is no number": "check --seed one",
    "check: seed is no whole number": "check --seed 1.5",
    "check: body of nothing": "check --max-body-mb 0",
    "check: body beyond all": "check --max-body-mb 1048577",
    "check: body beyond the limit": "check --max-body-mb 1 --corpus long.jsonl --codec json",
    "check: option without its value": "check --corpus",
    "check: value that is an option": "check --codec --json",
    "check: schema codec and a document": "check --codec protobuf --corpus document.jsonl",
    "check: strict": "check --strict --corpus broken.jsonl",
    "check: strict and good": "check --strict --corpus good.jsonl --codec json",
    "check: missing beside good": "check --corpus good.jsonl --corpus absent.jsonl --codec json",
    "size: strict": "size --strict --json --corpus broken.jsonl --codec json",
    "size: broken lines": "size --json --corpus broken.jsonl --codec json",
    "size: refused body": "size --json --corpus surrogate.jsonl --codec json,protobuf",
    "size: all bodies refused": "size --corpus surrogate.jsonl --codec protobuf -o out-refused",
    "size: empty corpus": "size --corpus empty.jsonl -o out-empty",
    "size: output is a file": "size --workload chat-turn -o plain.txt",
    "size: output is below a file": "size --workload chat-turn -o plain.txt/out",
    "size: output is somebody's folder": "size --workload chat-turn -o folder",
    "size: output has results": "size --workload chat-turn -o old",
    "size: output cannot be made": "size --workload chat-turn --codec json -o /proc/out",
    "size: nothing to resume": "size --resume",
    "size: nothing to resume there": "size --resume -o folder",
    "size: another run to resume": "size --workload chat-turn --codec json --resume -o stopped",
    "size: no name of a run": "size --workload chat-turn --codec json -o",
    "time: no such operation": "time --workload chat-turn --operation encod",
    "time: no such collector": "time --workload chat-turn --codec json --gc off",
    "time: batch is no number": "time --batch-ms soon",
    "time: base is missing": "time --workload chat-turn --codec json --base absent",
    "time: base is a file": "time --workload chat-turn --codec json --base plain.txt",
    "time: base is no environment": "time --workload chat-turn --codec json --base folder",
    "time: collector of memory": "time --flamegraph",
    "memory: no such operation": "memory --operation decode",
    "memory: corpus is missing": "memory --corpus absent.jsonl",
    "throughput: no such operation": "throughput --operation read-k",
    "throughput: no pins": "throughput --pin",
    "compare: no such part": "compare --part sise",
    "compare: no such part beside one": "compare --part size,nope",
    "compare: empty corpus": "compare --corpus empty.jsonl",
    "compare: all lines broken": "compare --corpus text.jsonl",
    "compare: strict": "compare --strict --corpus broken.jsonl -o out-strict",
    "compare: resume of another format": "compare --resume -o format-9",
    "compare: resume of a broken record": "compare --resume -o record-broken",
    "compare: resume of a broken journal": "compare --resume -o journal-broken",
    "compare: resume of a run with a corpus": "compare --resume -o stopped",
    "fidelity: no such codec": "fidelity --codec nope",
    "fidelity: output is a file": "fidelity --codec json -o plain.txt",
    "diff: one folder": "diff old",
    "diff: three folders": "diff old new old",
    "diff: missing": "diff old absent",
    "diff: both missing": "diff absent nowhere",
    "diff: file": "diff old plain.txt",
    "diff: empty folder": "diff folder old",
    "diff: another machine": "diff old other-machine",
    "diff: another format": "diff old format-9",
    "diff: nothing in common": "diff old wire",
    "gate: nothing": "gate",
    "gate: three folders": "gate old new old",
    "gate: one folder that is not paired": "gate old",
    "gate: missing": "gate absent",
    "gate: missing beside one": "gate old absent",
    "gate: another machine": "gate old other-machine",
    "gate: pattern of two": "gate old new --allow */*",
    "gate: pattern of nothing": "gate old new --allow=",
    "report: nothing": "report",
    "report: two": "report old new",
    "report: missing": "report absent",
    "report: file": "report plain.txt",
    "report: no results": "report folder",
    "report: another format": "report format-9",
    "report: format is text": "report format-text",
    "report: broken record": "report record-broken",
    "report: record is a list": "report record-list",
    "report: record lacks a key": "report record-lacks",
    "report: record of other types": "report record-types",
    "report: record is huge": "report record-huge",
    "report: no record": "report record-missing",
    "report: record is a link out": "report record-link",
    "report: broken table": "report table-broken",
    "report: empty table": "report table-empty",
    "report: table lacks a column": "report table-lacks",
    "report: table of other types": "report table-types",
    "report: table without rows": "report table-without-rows",
    "report: broken journal": "report journal-broken",
    "report: no such scenario": "report paired --scenario edgy",
    "report: broken scenario": "report paired --scenario broken.toml",
    "export: missing": "export absent",
    "export: no results": "export folder",
    "export: no such table": "export paired --table times",
    "export: no such table in this run": "export paired --table lag",
    "export: no such format": "export paired --format pdf",
    "export: no such column to select": "export paired --select codecs=json",
    "export: selection of nothing": "export paired --select codec",
    "export: no such value": "export paired --select codec=jsn",
    "export: no such column": "export paired --columns codec,colour",
    "export: a column twice": "export paired --columns codec,codec",
    "export: standalone Markdown": "export paired --standalone",
    "export: output below nothing": "export paired -o absent/table.md",
    "export: output is a folder": "export paired -o folder",
    "export: caption is a folder": "export paired --caption-file folder",
    "figures: missing": "figures absent",
    "figures: no results": "figures folder",
    "figures: nothing to draw": "figures stopped-empty",
    "decide: no folder": "decide",
    "decide: missing": "decide absent",
    "decide: no results": "decide folder",
    "decide: no times": "decide wire --scenario edge",
    "decide: no such workload measured": "decide old --scenario edge",
    "decide: no such scenario": "decide old --scenario edgy",
    "decide: no such file": "decide old --scenario absent.toml",
    "decide: scenario is a folder": "decide old --scenario folder",
    **{f"decide: {name}": f"decide old --scenario {name}" for name in FILES if name.endswith(".toml")},
    "decide: bandwidth without unit": "decide old --bandwidth 140",
    "decide: bandwidth of words": "decide old --bandwidth fast",
    "decide: bandwidth of nothing": "decide old --bandwidth 0Mbit",
    "decide: bandwidth below nothing": "decide old --bandwidth=-1Mbit",
    "decide: no such compression": "decide old --compression brotli --scenario edge",
    "decide: latency without unit": "decide old --model-latency 800",
    "decide: latency of words": "decide old --model-latency soon",
    "decide: rate of words": "decide old --tokens-per-s many",
    "decide: negative rate": "decide old --scenario edge --tokens-per-s -1",
    "decide: rate that is no number": "decide old --scenario edge --tokens-per-s nan",
    "decide: setting without value": "decide old --set wire.crossings",
    "decide: no such setting": "decide old --scenario edge --set wire.colour=red",
    "decide: setting of another type": "decide old --scenario edge --set wire.crossings=many",
    "decide: record of none": "decide old --adr record.md",
    "decide: record of two": "decide old --scenario edge --scenario gateway --adr record.md",
    "decide: record into a folder": "decide stored --scenario edge --adr folder",
    "decide: copy of none": "decide --copy edgy",
    "serve: port is no number": "serve --http-port http",
    "serve: port beyond all": "serve --http-port 70000",
    "serve: negative port": "serve --grpc-port -1",
    "serve: host that is exposed": "serve --host 0.0.0.0",
    "serve: no such host": "serve --host nowhere.invalid",
    "serve: more errors than requests": "serve --errors 2",
    "serve: negative errors": "serve --errors -0.1",
    "serve: shares beyond one": "serve --errors 0.6 --cuts 0.6",
    "serve: share that is no number": "serve --stalls nan",
    "serve: negative length": "serve --tokens -1",
    "serve: vector of no length": "serve --dimensions 0",
    "serve: negative time": "serve --token-ms -1",
    "serve: endless time": "serve --first-token-ms inf",
    "serve: batch of nothing": "serve --batch-limit 0",
    "serve: negative stall": "serve --stall-s -1",
    "wire: no such experiment": "wire transprot",
    "wire: no such experiment beside one": "wire transport nope",
    "wire: no such codec": "wire transport --codec nope",
    "wire: no such workload": "wire transport --workload nope",
    "wire: corpus is missing": "wire transport --corpus absent.jsonl",
    "wire: messages that it does not take": "wire vectors --corpus good.jsonl --quick",
    "wire: no operations": "wire --operation decode",
    "wire: no such collector": "wire cancel --gc off",
    "wire: output is somebody's folder": "wire cancel -o folder",
}
"""Case → the command line, its words parted by spaces."""

SPECIAL = (
    Run("version", ("--version",)),
    Run("nothing", ()),
    Run("bad: standard input is empty", ("check", "--corpus", "-")),
    Run("bad: standard input is no JSON", ("check", "--corpus", "-"), stdin=b"what?\n"),
    Run(
        "bad: standard input is binary", ("size", "--json", "--corpus", "-", "--codec", "json"), stdin=bytes(range(256))
    ),
    Run("bad: standard input twice", ("check", "--corpus", "-", "--corpus", "-", "--codec", "json"), stdin=LINE),
    Run("bad: full disk", ("list", "--json"), stdout="/dev/full"),
    Run("bad: full disk for a table", ("export", "paired"), stdout="/dev/full"),
    Run("bad: terminal of ASCII", ("export", "paired"), variables={"PYTHONIOENCODING": "ascii"}),
    Run("bad: narrow terminal", ("diff", "old", "new"), variables={"COLUMNS": "5"}),
    Run("bad: width of words", ("decide", "--list"), variables={"COLUMNS": "wide"}),
    Run("bad: no place for temporary files", ("check", "--corpus", "-"), stdin=LINE, variables={"TMPDIR": "/absent"}),
)


def make(work: Path) -> Record:
    """Run every case, each in a process of its own."""
    for name, data in FILES.items():
        (work / name).write_bytes(data)
    (work / "folder").mkdir()
    (work / "folder" / "theirs.txt").write_text("somebody's\n")
    (work / "nowhere.jsonl").symlink_to("absent.jsonl")
    (work / "loop.jsonl").symlink_to("loop.jsonl")
    write_folders(work)
    return together(partial(one, run, work) for run in cases())


def cases() -> Iterator[Run]:
    """List all cases."""
    for command in COMMANDS:
        yield Run(f"help: {command}", (command, "--help"))
        yield Run(f"bad: {command}: no such option", (command, "--frobnicate"))
    for command in MEASURING:
        yield Run(f"bad: {command}: quick and rigorous", (command, "--quick", "--rigorous"))
        yield Run(f"bad: {command}: codec", (command, "--codec", "jsno"))
    yield Run("help", ("--help",))
    for name, files in CORPORA.items():
        corpora = [word for file in files for word in ("--corpus", file)]
        yield Run(f"bad: {name}", ("check", "--codec", "json,orjson,protobuf,msgpack", *corpora))
    for name, line in USAGE.items():
        yield Run(f"bad: {name}", tuple(line.split(" ")))
    yield from SPECIAL


def one(run: Run, work: Path) -> Record:
    """Record a case."""
    item = item_of(run, serlab(run, work, SECONDS))
    return {run.name: full(normal.timed("\n".join(item.lines)))}


def write_folders(work: Path) -> None:
    """Make results folders: some right ones, and one for each thing that may be wrong with one."""
    for name in ("old", "new", "paired", "stopped"):
        shutil.copytree(MADE_UP / name, work / name)
    for name, source in {"stored": STORED, "wire": STORED / "wire"}.items():
        shutil.copytree(source, work / name, ignore=shutil.ignore_patterns("wire", "tables"))
    record = json.loads((work / "old" / "environment.json").read_text())
    records: dict[str, object] = {
        "format-9": {**record, "format": 9, "serlab": "9.0"},
        "format-text": {**record, "format": "1"},
        "record-list": [record],
        "record-lacks": {key: value for key, value in record.items() if key != "versions"},
        "record-types": {**record, "cores": "two", "processes": [1]},
        "other-machine": {**record, "cpu": "another CPU", "cores": 64},
    }
    texts = {name: json.dumps(value).encode() for name, value in records.items()}
    texts |= {"record-broken": b'{"run": ', "record-huge": b'{"run": "' + b"r" * (17 << 20) + b'"}'}
    for name, data in texts.items():
        (copied(work, name) / "environment.json").write_bytes(data)
    (copied(work, "record-missing") / "environment.json").unlink()
    (copied(work, "record-link") / "environment.json").unlink()
    (work / "record-link" / "environment.json").symlink_to(work / "old" / "environment.json")
    rows = pd.read_parquet(work / "old" / "results.parquet")
    (copied(work, "table-broken") / "results.parquet").write_bytes(b"PAR1 and no more")
    (copied(work, "table-empty") / "results.parquet").write_bytes(b"")
    rows.drop(columns="metric").to_parquet(copied(work, "table-lacks") / "results.parquet", index=False)
    rows.assign(value="much").to_parquet(copied(work, "table-types") / "results.parquet", index=False)
    rows[:0].to_parquet(copied(work, "table-without-rows") / "results.parquet", index=False)
    for name, journal in {"journal-broken": b'{"key": 1}\n{}\n', "stopped-empty": b""}.items():
        shutil.copytree(work / "stopped", work / name)
        (work / name / "journal.jsonl").write_bytes(journal)


def copied(work: Path, name: str) -> Path:
    """Copy a right folder."""
    return Path(shutil.copytree(work / "old", work / name))
