"""Scenario files: the built-in ones, and what is refused."""

import tomllib
from pathlib import Path

import pytest

from serlab.decide import load_scenario, scenario_names, scenario_text
from serlab.decide.scenarios import OPERATIONS, override, parse_bandwidth, parse_seconds, parse_setting
from serlab.errors import ScenarioError, UnknownNameError
from serlab.measure.operations import STEPS
from serlab.measure.options import OPERATIONS as MEASURED
from serlab.workloads import WORKLOADS
from tests.conftest import ROOT
from tests.support.boundaries import scenario

GOOD = 'question = "Which?"\n[messages.ChatRequest]\noperations = { encode = 1 }\n'
BAD = {
    "not TOML": ("question = ", "not TOML"),
    "unknown key": (GOOD + "[wire]\nbandwidth = 1", r"wire: no setting named 'bandwidth'"),
    "unknown table": (GOOD + "[wires]\n", r"no setting named 'wires'; did you mean 'wire'\?"),
    "wrong type": (GOOD + '[wire]\ncrossings = "two"', r"wire.crossings: expected `float`, got `str`, got 'two'"),
    "truth for a number": (GOOD + "[wire]\ncrossings = true", r"wire.crossings: expected `float`, got `bool`"),
    "negative": (GOOD + "[storage]\ndays = -1", r"storage.days: expected `float` >= 0.0, got -1"),
    "no bandwidth": (GOOD + "[wire]\nbandwidth_bit_per_s = 0", r"bandwidth_bit_per_s: expected `float` > 0.0, got 0"),
    "infinite": (GOOD + "[prices]\ncore_hour = inf", r"prices.core_hour: expected a finite number, got inf"),
    "not a number": (GOOD.replace("encode = 1", "encode = nan"), r"operations.encode: expected a finite number"),
    "other word": (GOOD + '[wire]\ncompression = "lz4"', r"expected one of none, gzip, zstd, got 'lz4'"),
    "no table": (GOOD + "wire = 3".replace("wire", "[x]\nwire"), r"no setting named 'x'"),
    "unknown operation": (GOOD.replace("encode", "encod"), r"no operation named 'encod'; did you mean 'encode'\?"),
    "unknown kind": (GOOD.replace("ChatRequest", "Chat"), r"messages: no kind of message named 'Chat'"),
    "no messages": ('question = "Which?"', r"messages: expected at least one \[messages.KIND\]"),
    "no question": (GOOD.replace("question", "name"), r"missing required field `question`"),
    "nothing per call": (GOOD + "per_call = 0", r"messages: expected a per_call above 0"),
    "no share": (GOOD + "workloads = { a = 0 }", r"workloads: expected a share above 0"),
    "unknown claim": (GOOD + "[codecs.mine]\nbrowsers = true", r"codecs.mine: no setting named 'browsers'"),
}


@pytest.mark.parametrize("what", BAD)
def test_wrong_file_is_refused_with_its_place(what: str, tmp_path: Path) -> None:
    """One line that names the file, the place, what was expected and what came."""
    text, expected = BAD[what]
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=expected) as caught:
        load_scenario(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_smallest_file_loads_with_the_defaults(tmp_path: Path) -> None:
    """Bytes are not trusted unless the file says so."""
    (tmp_path / "mine.toml").write_text(GOOD)
    found = load_scenario(tmp_path / "mine.toml")
    assert (found.name, found.objective, found.latency, found.wire.compression) == ("mine", "time", None, "none")
    assert found.constraints.untrusted_bytes and not found.constraints.browser


@pytest.mark.parametrize("name", scenario_names())
def test_built_in_scenario_names_workloads_that_there_are(name: str) -> None:
    """Of the kind under which they stand, and its file loads from a copy as it does by name."""
    found = load_scenario(name)
    for kind, message in found.messages.items():
        assert {WORKLOADS[workload].kind for workload in message.workloads} == {kind}
    assert scenario_text(name).startswith("# ")


@pytest.mark.parametrize("name", scenario_names())
def test_copied_scenario_is_the_same(name: str, tmp_path: Path) -> None:
    """What `--copy` prints is the file itself."""
    path = tmp_path / f"{name}.toml"
    path.write_text(scenario_text(name), encoding="utf-8")
    assert load_scenario(path) == load_scenario(name)


def test_scenarios_are_part_of_the_package() -> None:
    """A wheel must hold them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["serlab"]
    files = {file for pattern in patterns for file in (ROOT / "serlab").glob(pattern)}
    assert {f"{name}.toml" for name in scenario_names()} <= {file.name for file in files}


def test_operations_are_those_that_can_be_measured() -> None:
    """The layers keep the two lists apart."""
    assert set(OPERATIONS) == (set(MEASURED) - {"read-k"}) | set(STEPS)


def test_unknown_scenario_and_missing_file_are_told_apart(tmp_path: Path) -> None:
    """What ends in .toml is a file."""
    with pytest.raises(UnknownNameError, match="did you mean 'edge'"):
        load_scenario("egde")
    with pytest.raises(ScenarioError, match="cannot be read: No such file"):
        load_scenario(tmp_path / "absent.toml")


def test_override_changes_one_setting_by_name_or_path() -> None:
    """And leaves the others."""
    changed = override(scenario(), {"bandwidth_bit_per_s": 5, "messages.ChatRequest.operations.read-one": 2})
    assert changed.wire.bandwidth_bit_per_s == 5 and changed.wire.crossings == 1
    assert changed.messages["ChatRequest"].operations == {"encode": 1, "decode": 1, "read-one": 2}
    assert override(scenario(), {"tokens": 9}).latency is not None


@pytest.mark.parametrize("path", ["wire.bandwith", "messages.Chat.per_call", "bandwith", "wire.crossings.more"])
def test_override_of_what_is_not_there_is_refused(path: str) -> None:
    """A typing error must not pass as an answer."""
    with pytest.raises(ScenarioError):
        override(scenario(), {path: 1})


def test_quantities_are_read_with_their_units() -> None:
    """Bytes per second are refused, since a factor of 8 is easily lost."""
    assert [parse_bandwidth(text) for text in ("140Mbit", "1 Gbit/s", "2.5Gbps", "8000", "1e9")] == [
        140e6, 1e9, 2.5e9, 8000, 1e9,
    ]  # fmt: skip
    assert [parse_seconds(text) for text in ("800ms", "1.5 s", "2", "5us")] == pytest.approx([0.8, 1.5, 2, 5e-6])
    assert parse_setting("wire.compression=gzip") == ("wire.compression", "gzip")
    assert parse_setting("constraints.person=false") == ("constraints.person", False)
    for wrong in ("140MB", "fast", "", "-1", "1.2.3"):
        with pytest.raises(ScenarioError, match="expected bits per second"):
            parse_bandwidth(wrong)
    with pytest.raises(ScenarioError, match="expected a number and s or ms"):
        parse_seconds("5 min")
    with pytest.raises(ScenarioError, match="expected PATH=VALUE"):
        parse_setting("wire")
