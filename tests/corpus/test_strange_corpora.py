"""Corpora from strangers: a line that unpacks to too much costs itself only, and the memory of a message."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from serlab.corpus import read
from serlab.kinds import PER_BYTE, is_heavy, weight
from serlab.measure.inputs import scan
from serlab.measure.parity import MOST_FIELDS, Report, recorded
from serlab.streams import EASY, MAX_LINE
from tests.conftest import moments
from tests.support.corpora import CHAT, line, peak_bytes, read_bytes

MIB = 1 << 20
MOST_MIB = 900
"""Memory of a process that reads and checks: 100 for itself, a line of 32 as bytes, as text and as values."""
PEAK = """
import sys
from serlab.cli import main
open("/proc/self/clear_refs", "w").write("5")
sys.argv = ["serlab", "check", "--codec", "orjson,protobuf", "--corpus", sys.argv[1], "--json"]
try:
    main()
finally:
    print(next(row.split()[1] for row in open("/proc/self/status") if row.startswith("VmHWM")), file=sys.stderr)
"""


def packed(before: bytes, unit: bytes, size: int, after: bytes) -> bytes:
    """Compress a line of so many bytes between two whole ones, without having it."""
    made = zstandard.ZstdCompressor().compressobj()
    block = unit * (MIB // len(unit))
    parts = [made.compress(line(CHAT) + before), *(made.compress(block) for _ in range(size // len(block)))]
    return b"".join([*parts, made.compress(after + b"\n" + line(CHAT)), made.flush()])


GROWTH = """
import sys
from serlab.measure.parity import Report, bodies_of

class Watched(Report):
    seen, held = 0, []

    def add(self, body):
        super().add(body)
        self.look()

    def cannot_read(self, error):
        super().cannot_read(error)
        self.look()

    def look(self):
        self.seen += 1
        if self.seen in (12_000, 36_000):
            self.held.append(int(open("/proc/self/statm").read().split()[1]) * 4096)

report = Watched(["orjson"])
for body in bodies_of([sys.argv[1]], [], 0, False, report):
    report.add(body)
print(report.held[1] - report.held[0], len(report.unknown_fields))
"""
LINES = {
    "empty objects": lambda i: b"{}\n",
    "no JSON": lambda i: b"x\n",
    "events": lambda i: b"data: {}\n\n",
    "fields of all names": lambda i: b'{"messages":[],"f%d":1}\n' % i,
    "long names": lambda i: b'{"messages":[],"%d%b":1}\n' % (i, b"n" * 2000),
}


@pytest.mark.parametrize("name", LINES)
def test_memory_stays_flat_however_many_lines_there_are(tmp_path: Path, name: str) -> None:
    """There is no limit to their number: 36,000 leave no more behind than 12,000 do."""
    path = tmp_path / "many.jsonl.zst"
    path.write_bytes(zstandard.compress(b"".join(LINES[name](i) for i in range(36_010))))
    done = subprocess.run([sys.executable, "-c", GROWTH, str(path)], capture_output=True, text=True, check=True)
    grown, fields = map(int, done.stdout.split())
    assert grown < 3 * MIB and fields <= MOST_FIELDS + 1


def test_a_scan_keeps_no_line_that_cannot_be_read(tmp_path: Path) -> None:
    """A run's first reading of a corpus: what was raised for a line goes with it."""
    path = tmp_path / "many.jsonl"
    path.write_bytes(line(CHAT) + b"{]\n" * 3000)
    assert peak_bytes(lambda: scan((str(path),), 5, 1000, 0, False)) < 2 * MIB


def test_a_report_keeps_no_line_that_cannot_be_read(tmp_path: Path) -> None:
    """It keeps where each is and why, whether few lines are long or many short."""
    path, report = tmp_path / "long.jsonl", Report(["orjson"])
    path.write_bytes(b"".join(b'{"a": "%b"]\n' % (b"A" * MIB) for _ in range(20)))
    assert peak_bytes(lambda: list(recorded(str(path), False, report.cannot_read))) < 12 * MIB
    assert [error.line for error in report.unreadable] == list(range(1, 21))
    assert report.to_dict()["unreadable"][0] == {
        "file": str(path),
        "line": 1,
        "reason": "not JSON: Expecting ',' delimiter at column 1048585",
    }


def test_a_corpus_of_millions_of_lines_is_left_at_once(tmp_path: Path) -> None:
    """A short file of them takes its time, and Ctrl-C ends it, with the status of an interruption."""
    path = tmp_path / "many.jsonl.zst"
    path.write_bytes(zstandard.compress(b"{}\n" * 4_000_000))
    assert path.stat().st_size < 2000
    command = [sys.executable, "-m", "serlab", "check", "--codec", "orjson", "--corpus", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        for _ in moments():
            if str(path) in opened(running.pid):
                break
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=600)
    assert running.returncode == 130 and "Traceback" not in said


def opened(pid: int) -> list[str]:
    """List what a process has open."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found.append(str(path.readlink()))
    return found


BOMBS = {
    "text": (b'{"a":"', b"A", b'"}', "unpacks from"),
    "lists": (b'{"model":"m","tools":[', b"[],", b"1]}", "unpacks from"),
    "numbers": (b'{"model":"m","tools":[', b"1,", b"1]}", ""),
    "short lists": (b'{"model":"m","tools":[', b"[],", b"1]}", "its values take about"),
    "objects": (b"[", b'{"ab":0},', b"1]", "its values take about"),
    "unfinished": (b"[", b"[],", b"1] x\n1\n2", "its values take about"),
    "base64": (
        b'{"request":{"method":"POST","url":"x","postData":{"encoding":"base64","text":"',
        b"W10s",
        b'"}},"response":{}}',
        "the body inside: not read: its values take about",
    ),
    "JSON in JSON": (b'{"request":"[', b"[],", b'1]","response":{}}', "its values take about"),
    "line ends": (b"data: 1\r", b"\r", b"", ""),
    "events": (b"", b"data:1\r", b"", "an SSE event"),
}
LONG = ("text", "lists")


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_line_that_unpacks_to_too_much_costs_itself_only(tmp_path: Path, name: str) -> None:
    """It is reported by its number, in the memory of a message; the lines around it are read."""
    before, unit, after, said = BOMBS[name]
    size = 200 * MIB if name in LONG else 30 * MIB
    path = tmp_path / "bomb.jsonl.zst"
    path.write_bytes(packed(before, unit, size, after))
    assert path.stat().st_size < 30_000
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, timeout=600)
    report, peak = json.loads(done.stdout), int(done.stderr.split()[-1]) // 1024
    assert peak < MOST_MIB, peak
    assert report["kinds"]["ChatRequest"] >= 2 and report["codecs"]["orjson"]["changed"] == 0
    assert [one["line"] for one in report["unreadable"]][:1] == ([2] if said else [])
    assert all(said in one["reason"] for one in report["unreadable"])


def test_a_long_line_that_compresses_as_messages_do_is_read(tmp_path: Path) -> None:
    """Also with the same text without compression, and one that repeats a picture and is shorter."""
    noise = os.urandom(EASY // 4).hex()
    body = {**CHAT, "user": noise[: EASY // 2 + 5] * 2}
    assert len(line(body)) > EASY
    for data, name in ((zstandard.compress(line(body)), "a.zst"), (line(body), "a.jsonl")):
        bodies, errors = read_bytes(tmp_path, data, name)
        assert [one.document for one in bodies] == [body] and errors == []
    picture = {**CHAT, "user": "QUJD" * (2 * MIB)}
    assert read_bytes(tmp_path, zstandard.compress(line(picture)), "b.zst")[0][0].document == picture


def test_a_longer_line_allows_more_values(tmp_path: Path) -> None:
    """As --max-body-mb does, and the error says so."""
    path, errors = tmp_path / "a.jsonl", []  # type: Path, list[CorpusError]
    path.write_bytes(line({**CHAT, "tools": [[]] * 400_000}))
    need = weight(path.read_bytes())
    for longest in (need // PER_BYTE - 1, need // PER_BYTE + 1):
        found = list(read(path, on_error=errors.append, longest=longest))
    assert len(errors) == len(found) == 1 and "--max-body-mb raises the limit" in errors[0].reason


def test_honest_lines_are_not_heavy() -> None:
    """Vectors, token ids, tools and long texts, each at the length that a body may have."""
    numbers = b"[" + b"-0.0123456," * (64 * MIB // 11) + b"1]"
    ids = b"[" + b"100123," * (2_000_000) + b"1]"
    text = b'"' + b"A sentence, of ordinary length. " * (2 * MIB) + b'"'
    tool = b'{"type":"function","function":{"name":"f1","parameters":{"type":"object","properties":{}}}},'
    for data in (numbers, ids, text, b"[" + tool * 200_000 + b"1]"):
        assert not is_heavy(data, MAX_LINE)
