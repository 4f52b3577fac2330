"""pyproject.toml, environment.yml and requirements.lock name the same packages and versions."""

import re
import tomllib
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = ("notebooks", "service")
"""Each has a lock of its own, which comes in addition."""

LOCKS = ("requirements.lock", *(f"requirements-{extra}.lock" for extra in EXTRAS))
FILES = ("pyproject.toml", "environment.yml", *LOCKS, "Makefile")
CONDA_NAMES = {
    "python-flatbuffers": "flatbuffers",
    "msgpack-python": "msgpack",
    "python-xxhash": "xxhash",
    "python-lmdb": "lmdb",
    "redis-py": "redis",
}
"""conda-forge's names for packages of PyPI."""


def read(name: str) -> str:
    """Read one of the project's files."""
    return (ROOT / name).read_text()


def wanted() -> dict[str, str]:
    """Read the lower bounds of pyproject.toml: package → version."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    optional = [line for lines in project["optional-dependencies"].values() for line in lines]
    found = [re.match(r"([\w-]+)[>=]=([\w.]+)", line) for line in (*project["dependencies"], *optional)]
    return {match[1]: match[2] for match in found if match}


def conda() -> dict[str, str]:
    """Read environment.yml: package → version, in the names of PyPI."""
    found = re.findall(r"^\s+- ([\w-]+)==?([\w.]+)", read("environment.yml"), re.MULTILINE)
    return {CONDA_NAMES.get(name, name): version for name, version in found}


def locked(name: str) -> set[tuple[str, str]]:
    """Read a lock: package and version; a package may have one version for each Python."""
    return set(re.findall(r"^([\w.-]+)==([\w.]+)", read(name), re.MULTILINE))


def test_environment_names_the_packages_and_versions_of_the_project() -> None:
    """The same set, whichever installs it."""
    assert conda() == wanted()


def test_locks_hold_every_package_at_the_lower_bound() -> None:
    """One lock runs and tests the core; each extra with a lock of its own finds its packages there."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    optional = project["optional-dependencies"]
    listed = ([*project["dependencies"], *optional["dev"]], *map(optional.get, EXTRAS))
    for lock, lines in zip(LOCKS, listed, strict=True):
        names = {re.split("[>=]", line)[0] for line in lines}
        assert {item for item in wanted().items() if item[0] in names} - locked(lock) == set()


def test_locks_agree() -> None:
    """A package that is in two has the same versions, so installing the second changes nothing of the first."""
    for one, other in combinations(map(locked, LOCKS), 2):
        shared = {name for name, _ in one} & {name for name, _ in other}
        assert len(shared) > 5
        assert {item for item in one if item[0] in shared} == {item for item in other if item[0] in shared}


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash(name: str) -> None:
    """The Makefile calls pip with --require-hashes."""
    entries = re.split(r"\n(?=\S)", read(name).strip())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_every_dependency_of_the_environment_has_a_reason() -> None:
    """A comment beside each, pip apart, which installs the rest."""
    lines = [line for line in read("environment.yml").splitlines() if re.match(r"\s+- [\w-]+[=>]", line)]
    assert len(lines) > 20
    assert [line for line in lines if not re.search(r"# \w.{4,}", line)] == []


@pytest.mark.parametrize("name", FILES)
def test_packaging_file_holds_no_address(name: str) -> None:
    """Where packages come from is for the user's own settings to say."""
    assert re.findall(r"\w+://|--index|--find-links|--trusted", read(name)) == []


def test_project_and_environment_support_the_same_pythons() -> None:
    """The lower bound is one."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    bound = re.search(r"- python(>=[\d.]+)", read("environment.yml"))
    assert bound is not None
    assert project["requires-python"] == bound[1]
