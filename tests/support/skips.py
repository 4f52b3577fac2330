"""Which tests may be skipped, and for want of what; any other skip is a failure. A plugin of pytest.

A skip is right only where the thing is really missing, so its presence is looked up here, not taken from the test. It
does not matter how much of the suite is run: each skip is judged by itself, when it is reported.

    pytest --skipped FILE     also write the ids of what was skipped, a line each; `pytest @FILE` then runs just those
"""

import shutil
from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from serlab.measure.options import usable_cores

SHARED = Path(__file__).resolve().parents[3] / "shared"


class Need(NamedTuple):
    """What a test may lack.

    Attributes:
        name: for a person.
        is_there: looks for it.
    """

    name: str
    is_there: Callable[[], bool]


def programs(*names: str) -> Callable[[], bool]:
    """Look for programs on the path."""
    return lambda: all(map(shutil.which, names))


def modules(*names: str) -> Callable[[], bool]:
    """Look for modules of an extra."""
    return lambda: all(map(find_spec, names))


SERVICE = ("granian", "starlette", "trustme", "openai", "aiohttp", "httpx2", "h2", "grpc", "lmdb", "redis")
"""Modules that the tests of the service need, those of its extra."""

SERVER = Need("the extra service", modules(*SERVICE))
NOTEBOOKS = Need("the extra notebooks", modules("jupytext", "nbclient", "ipykernel"))
BROWSER = Need("a browser", programs("chromium", "chromedriver"))
LATEX = Need("LaTeX", programs("pdflatex"))
COMPILER = Need("a C++ compiler", programs("g++"))
REDIS = Need("Redis", programs("redis-server"))
TRAFFIC = Need("shared traffic", lambda: any((SHARED / "corpus").glob("*.jsonl")))
TRACES = Need("shared traffic", (SHARED / "traces").is_dir)
CORES = Need("a second core", lambda: usable_cores() > 1)
CBOR = Need("cbor2", modules("cbor2"))
LINUX = Need("Linux", lambda: Path("/proc/self/stat").exists() and Path("/dev/full").exists())

MAY_SKIP = {
    "tests/wire/test_*_server.py": (SERVER,),
    "tests/wire/test_redis_server.py": (REDIS,),
    "tests/wire/test_zipf_server.py": (REDIS,),
    "tests/wire/test_wire_command.py": (SERVER, LINUX),
    "tests/cli/test_cli.py": (LINUX,),
    "tests/report/test_export.py": (LATEX,),
    "tests/codecs/test_flatbuffers_cpp.py": (COMPILER,),
    "tests/codecs/test_flatbuffers_writer.py::test_google_reads_recorded_traffic_and_the_reverse": (TRAFFIC,),
    "tests/measure/test_load.py": (CORES,),
    "tests/measure/test_noise.py": (LINUX,),
    "tests/notebooks/test_notebook.py": (NOTEBOOKS,),
    "tests/codecs/test_outside_codec.py": (CBOR,),
    "tests/report/test_page.py": (BROWSER,),
    "tests/report/test_page_calculator.py": (BROWSER,),
    "tests/measure/test_quiet.py": (LINUX,),
    "tests/codecs/test_recorded.py": (TRAFFIC,),
    "tests/measure/test_trouble.py": (LINUX, SERVER, COMPILER),
    "tests/corpus/test_workloads.py::test_quantiles_agree_with_the_published_trace": (TRACES,),
}
"""Module, or module and test → what it may lack; a star stands for any letters."""


def needs_of(node: str) -> tuple[Need, ...]:
    """List what a test, or a whole module, may lack."""
    test = node.partition("[")[0]
    places = (Path(test), Path(test.partition("::")[0]))
    return tuple(need for place in places for pattern, needs in MAY_SKIP.items() if place.match(pattern)
                 for need in needs)  # fmt: skip


def wrong(node: str) -> str:
    """Say why a test may not be skipped; "" if it may."""
    needs = needs_of(node)
    if not needs:
        return f"{node}: skipped, but not in the list of tests/support/skips.py"
    if all(need.is_there() for need in needs):
        return f"{node}: skipped, but {' and '.join(need.name for need in needs)} is there"
    return ""


def judged(report: pytest.TestReport | pytest.CollectReport, skipped: list[str]) -> None:
    """Note a skip; make a failure of it where there is no right to it."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = wrong(report.nodeid)
    if reason:
        report.outcome, report.longrepr = "failed", f"{reason} ({report.longreprtext})"
    else:
        skipped.append(report.nodeid.removesuffix("[NOTSET]"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--skipped`."""
    parser.addoption("--skipped", type=Path, metavar="FILE", help="write the ids of what was skipped, a line each")


def pytest_configure(config: pytest.Config) -> None:
    """Begin with nothing skipped."""
    config.stash[SKIPPED] = []


SKIPPED = pytest.StashKey[list[str]]()
"""Ids of what was skipped so far."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge a test that was skipped."""
    report = yield
    judged(report, item.config.stash[SKIPPED])
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge a module that was skipped."""
    report = yield
    judged(report, collector.config.stash[SKIPPED])
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of pytest-xdist has skipped."""
    node.config.stash[SKIPPED] += getattr(node, "workeroutput", {}).get("skipped", [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was skipped, where that is asked for; a worker of pytest-xdist hands it on."""
    skipped, file = session.config.stash[SKIPPED], session.config.getoption("skipped")
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["skipped"] = skipped
    elif file:
        file.write_text("".join(f"{node}\n" for node in dict.fromkeys(skipped)))
