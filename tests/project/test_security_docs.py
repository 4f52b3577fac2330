"""docs/security.md names a test for each promise, and each of them is there."""

import re

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| (.+) \| (`.+`) \|$", PAGE.split("## The promises")[1].split("\n## ")[0], re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_each_promise_names_tests_that_there_are(row: tuple[str, str]) -> None:
    """By file and name."""
    named = re.findall(r"`([^`]+)`", row[1])
    assert named
    for name in named:
        file, test = name.split("::")
        source = (ROOT / "tests" / file).read_text()
        assert re.search(rf"^(async )?def {re.escape(test)}\(", source, re.MULTILINE), name


def test_the_table_has_rows() -> None:
    """A table that the pattern does not match would promise nothing."""
    assert len(ROWS) == PAGE.split("## The promises")[1].split("\n## ")[0].count("\n| ") - 2 > 4
