"""Notebooks: which run they argue from, what they show, and what is found wrong with one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("jupytext", reason="needs requirements-notebooks.lock: make lab installs it")
pytest.importorskip("nbclient", reason="needs requirements-notebooks.lock: make lab installs it")
pytest.importorskip("ipykernel", reason="needs requirements-notebooks.lock: make lab installs it")

from scripts import notebooks
from serlab import notebook
from serlab.errors import ResultsError
from serlab.notebook import open_run, readable, say
from tests.conftest import ROOT
from tests.support.folders import ENVIRONMENT, rows_of, write

HEAD = """# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

"""
GOOD = """
# %% [markdown]
# # Is it true?

# %%
print(6 * 7)

# %% [markdown]
# It is 42, in 1 case of RFC 8259; see `7` and float32.

# %%
case = 1
"""
"""`1` is in no cell above the prose that says so."""


@pytest.fixture
def source(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a notebook's source."""

    def written(text: str) -> Path:
        path = tmp_path / "01_is_it_true.py"
        path.write_text(HEAD + text)
        return path

    return written


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep runs in a folder of the test."""
    folder = tmp_path / "results"
    folder.mkdir()
    monkeypatch.setattr(notebook, "LIVE", folder)
    return folder


def finished(live: Path, name: str, parts: list[str], operations: list[str], codec: str) -> Path:
    """Write a finished run that holds some parts, told apart by its codec."""
    folder = write(
        live / f"notebook-{name}", rows_of("seed", {codec: 100.0}, {codec: 1.0}, {codec: 1.0}, versions={codec: "1"})
    )
    return described(folder, parts, operations)


def described(folder: Path, parts: list[str], operations: list[str]) -> Path:
    """Write what a run was asked for."""
    options = {"parts": parts, "operations": operations, "codecs": []}
    record = ENVIRONMENT | {"plan": {"parts": parts}, "effort": {"operations": operations}, "options": options}
    (folder / "environment.json").write_text(json.dumps(record))
    return folder


def test_without_a_corpus_the_stored_run_is_read() -> None:
    """With its environment, which the first sentence of each notebook names."""
    rows = open_run(stored=ROOT / "notebooks" / "stored")
    assert rows.attrs["environment"]["run"] == rows["run"].iloc[0]
    assert {"size", "encode", "decode", "read-100%", "relay", "stream"} <= set(rows["operation"])


def test_a_corpus_without_a_run_says_what_to_set(live: Path) -> None:
    """A notebook that was given a corpus must not show the stored run in its place."""
    with pytest.raises(ResultsError, match=r"no run of my.jsonl that holds size; set RERUN = True"):
        open_run("my.jsonl", parts=["size"])


def test_the_newest_run_that_holds_what_is_asked_for_is_read(live: Path) -> None:
    """The last one may be another notebook's, which measured less."""
    finished(live, "my-20260101-000000", ["size", "time"], ["encode", "decode"], "json")
    finished(live, "my-20260102-000000", ["size", "time"], ["encode"], "msgpack")
    assert set(open_run("my.jsonl", parts=["time"], operations=["encode"])["codec"]) >= {"msgpack"}
    assert set(open_run("my.jsonl", parts=["time"], operations=["decode"])["codec"]) >= {"json"}
    with pytest.raises(ResultsError, match="memory"):
        open_run("my.jsonl", parts=["memory"])


def test_a_stopped_run_goes_on_only_with_the_same_settings(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another notebook's half run must neither be lost nor be in the way."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(notebook, "compare", lambda **settings: asked.append(settings))
    begun = live / "notebook-my-20260101-000000"
    begun.mkdir()
    described(begun, ["size"], [])
    open_run("my.jsonl", True, parts=["size"])
    open_run("my.jsonl", True, parts=["time"])
    assert (asked[0]["resume"], asked[0]["directory"]) == (True, begun)
    assert not asked[1]["resume"] and asked[1]["directory"] != begun


def test_a_run_without_an_experiment_does_not_hold_it(live: Path, tmp_path: Path) -> None:
    """Its rows would be missing in the middle of an argument."""
    corpus = tmp_path / "my.jsonl"
    corpus.write_text(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello."}]}) + "\n")
    run = finished(live, "my-20260101-000000", ["size", "wire"], [], "json")
    record = json.loads((run / "environment.json").read_text()) | {"wire": {"stream": {}, "pooling": {}}}
    (run / "environment.json").write_text(json.dumps(record))
    asked: dict[str, Any] = {"parts": ("size", "wire"), "experiments": ("stream", "cache", "pooling")}
    assert set(open_run(str(corpus), **asked)["codec"]) >= {"json"}, "no cache: these are requests"
    with pytest.raises(ResultsError, match="size, wire, transport"):
        open_run(str(corpus), parts=("size", "wire"), experiments=("transport",))


def test_experiments_that_take_none_of_a_corpus_are_left_out(tmp_path: Path) -> None:
    """Else one of several would stop a whole notebook; without any left, the part goes too."""
    corpus = tmp_path / "my.jsonl"
    corpus.write_text(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello."}]}) + "\n")
    fitted = notebook.fitting(str(corpus), {"experiments": ("stream", "cache", "vectors"), "parts": ("size", "wire")})
    assert fitted == {"experiments": ("stream",), "parts": ("size", "wire")}
    assert notebook.fitting(str(corpus), {"experiments": ["cache"], "parts": ["wire"]}) == {
        "experiments": (),
        "parts": (),
    }
    both = {"experiments": ["cache"], "parts": ["wire"], "workloads": ["chat-response"]}
    assert notebook.fitting(str(corpus), both)["experiments"] == ("cache",)


def test_sentences_are_paragraphs_of_markdown() -> None:
    """Each argument is one."""
    assert say("**a**", "b").data == "**a**\n\nb"


def test_readable_figures_have_units_and_bring_their_intervals_along() -> None:
    """With columns chosen; without, each column stays by itself."""
    table = pd.DataFrame(
        {"codec": ["x"], "time_ns": [1500.0], "ratio": [1.01], "ratio_low": [0.9], "ratio_high": [1.1]}
    )
    table["verdict"] = "tie"
    assert readable(table)["time_ns"].tolist() == ["1.50 µs"]
    shown = readable(table, ["codec", "time_ns", "ratio"])
    assert shown.to_dict("records") == [{"codec": "x", "time": "1.50 µs", "ratio": "1.01× [0.900, 1.10] ="}]


def test_a_number_that_no_cell_above_produced_is_found(source: Callable[[str], Path]) -> None:
    """Numbers in code, names, headings and standards are none; 42 was printed, 1 comes too late."""
    faults = list(notebooks.unproduced_numbers(notebooks.execute(source(GOOD))))
    assert len(faults) == 1 and faults[0].startswith("the prose says 1,")


def test_an_output_that_differs_from_the_committed_one_is_found(source: Callable[[str], Path]) -> None:
    """And nothing is written by a check; the same source again is fine."""
    path = source("# %%\nprint('as it was')\n\n# %%\nimport pandas\npandas.DataFrame({'a': [1]})\n")
    assert notebooks.report(path, check=False)
    assert list(notebooks.faults_of(path, check=True)) == []
    target = path.with_suffix(".ipynb")
    target.write_text(target.read_text().replace("as it was\\n", "as it never was\\n"))
    before = target.read_bytes()
    (fault,) = notebooks.faults_of(path, check=True)
    assert fault.startswith("stale output") and "as it was" in fault
    assert target.read_bytes() == before


@pytest.mark.slow
def test_a_source_that_was_changed_or_never_executed_is_found(source: Callable[[str], Path]) -> None:
    """Both are told how to mend it."""
    path = source("# %%\nprint('a')\n")
    (missing,) = notebooks.faults_of(path, check=True)
    assert "is missing" in missing and "make notebooks" in missing
    assert notebooks.report(path, check=False)
    (changed,) = notebooks.faults_of(source("# %%\nprint('b')\n"), check=True)
    assert "another source" in changed


def test_a_cell_that_raises_is_named_with_its_notebook(
    source: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The number is the one in its brackets; what came before it ran."""
    path = source("# %%\nx = 1\n\n# %%\nassert x == 2, 'x is not 2'\n\n# %%\nx = 3\n")
    assert not notebooks.report(path, check=True)
    out = capsys.readouterr().out
    assert (
        "01_is_it_true: FAILED" in out
        and "cell In [2], \"assert x == 2, 'x is not 2'\": AssertionError: x is not 2" in out
    )


def test_every_committed_notebook_is_small_and_has_its_source() -> None:
    """GitHub shows no large ones."""
    sources = {path.stem for path in (ROOT / "notebooks").glob("[0-9]*.py")}
    outputs = list((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    assert {path.stem for path in outputs} == sources
    assert all(path.stat().st_size <= 300_000 for path in outputs)
