"""Start the workers, watch them, and say what they found: exit status 0 for nothing, 1 for a finding."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from serlab.codecs import codec_names
from serlab.messages import KINDS
from tests.conftest import ROOT
from tests.fuzz.targets import TARGETS
from tests.fuzz.worker import checked, read_board, save

HANG_S = 15.0
"""A case that is under way for so long hangs; its worker is killed."""

EVERY_S = 10.0
CASE_NAME = re.compile(rf"[\w-]+\.(?:{'|'.join(KINDS)})\.(?:{'|'.join(TARGETS)})\..+\.bin")
FOLDER = ROOT / "fuzz-crashers"


def main() -> int:
    """Parse the command line and fuzz, or try one finding again."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)), help="the same cases again")
    parser.add_argument("--workers", type=at_least_one, default=os.cpu_count() or 1)
    parser.add_argument(
        "--codec",
        action="append",
        default=[],
        choices=codec_names(),
        metavar="NAME",
        help="repeat; default: all but flatbuffers-official",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where findings are kept")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try one finding again")
    given = parser.parse_args()
    if given.replay:
        if not given.replay.is_file() or not CASE_NAME.fullmatch(given.replay.name):
            parser.error(f"{given.replay}: expected a file that a run kept, CODEC.KIND.TARGET.….bin")
        return replay(given.replay)
    print(f"fuzzing for {given.seconds:.0f} s with {given.workers} workers from seed {given.seed}", flush=True)
    return fuzz(given.seed, given.seconds, given.workers, given.folder, given.codec)


def at_least_one(text: str) -> int:
    """Read a number of workers."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of processes from 1, got {text!r}")
    return int(text)


def replay(path: Path) -> int:
    """Try one finding again and show what happens."""
    codec, kind, target, *_ = path.name.split(".")
    accepted, why, spent = checked(codec, kind, target, path.read_bytes())
    print(why or f"{'accepted' if accepted else 'refused'} in {spent * 1000:.1f} ms")
    return 1 if why else 0


def fuzz(seed: int, seconds: float, workers: int, folder: Path, codecs: list[str]) -> int:
    """Run workers side by side, start again what died, and show the sum."""
    folder.mkdir(parents=True, exist_ok=True)
    end, totals, died = monotonic() + seconds, dict[str, list[float]](), 0
    running = [Watched(seed + number, end, folder, codecs) for number in range(workers)]
    next_line = monotonic() + EVERY_S
    with suppress(KeyboardInterrupt):
        while running:
            sleep(0.2)
            for watched in list(running):
                if watched.is_over():
                    running.remove(watched)
                    died += watched.collect(totals)
                    if watched.died and monotonic() < end - 1:
                        running.append(Watched(watched.seed + workers, end, folder, codecs))
            if monotonic() > next_line:
                next_line += EVERY_S
                print(f"{sum(w.cases() for w in running):,} cases, {max(end - monotonic(), 0):.0f} s left", flush=True)
    for watched in running:
        # Interrupted: it ends after its case and says what it has counted.
        watched.process.send_signal(signal.SIGINT)
        died += watched.collect(totals)
    return show(totals, died, folder)


class Watched:
    """A worker, and when it was last seen at another case."""

    def __init__(self, seed: int, end: float, folder: Path, codecs: list[str]) -> None:
        self.seed, self.folder, self.board = seed, folder, folder / f"{seed}.case"
        command = [sys.executable, "-m", "tests.fuzz.worker", str(seed), str(max(end - monotonic(), 1)), str(folder)]
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        self.process = subprocess.Popen(
            [*command, *codecs], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment
        )
        self.seen, self.since, self.died = 0, monotonic(), False

    def cases(self) -> int:
        """Return how many cases it has begun."""
        case = read_board(self.board)
        return case[0] if case else 0

    def is_over(self) -> bool:
        """Return whether it has ended; one that hangs is killed."""
        if self.process.poll() is not None:
            return True
        if (count := self.cases()) != self.seen:
            self.seen, self.since = count, monotonic()
        if monotonic() - self.since > HANG_S:
            self.process.kill()
            self.process.wait()
            return True
        return False

    def collect(self, totals: dict[str, list[float]]) -> int:
        """Add what it counted; of one that died keep the case that killed it, and count 1."""
        out, err = self.process.communicate()
        case = read_board(self.board)
        self.board.unlink(missing_ok=True)
        if self.process.returncode:
            self.died = True
            if case is None:
                raise RuntimeError(f"a worker did not start: {err.decode()[-2000:]}")
            save(self.folder, *case[1:], f"the process ended with {self.process.returncode}\n{err.decode()[-4000:]}")
            return 1
        for key, (count, accepted, findings, slowest) in json.loads(out).items():
            old = totals.get(key, [0, 0, 0, 0])
            totals[key] = [old[0] + count, old[1] + accepted, old[2] + findings, max(old[3], slowest)]
        return 0


def show(totals: dict[str, list[float]], died: int, folder: Path) -> int:
    """Print the sum of all workers."""
    print(f"{'codec':24} {'target':8} {'cases':>9} {'accepted':>9} {'findings':>9} {'slowest':>9}")
    for key, (count, accepted, findings, slowest) in sorted(totals.items()):
        codec, target = key.split()
        print(f"{codec:24} {target:8} {count:9,.0f} {accepted:9,.0f} {findings:9,.0f} {slowest * 1000:6.0f} ms")
    found = died + int(sum(values[2] for values in totals.values()))
    cases = sum(values[0] for values in totals.values())
    print(f"{cases:,.0f} cases, {found} findings" + (f", kept in {folder}; --replay FILE shows one" if found else ""))
    # A run that tried nothing has shown nothing.
    return 1 if found or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
