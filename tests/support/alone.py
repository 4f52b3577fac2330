"""Who runs beside whom: a test with the mark `alone` has the machine to itself. A plugin of pytest.

Some tests measure times, or hold a run to figures that a busy core would spoil. Where pytest-xdist spreads the suite
over several workers, none runs a test beside one of these; where there is one process, there is nothing to do.
"""

import fcntl
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

DOOR, ROOM = "door", "room"
"""Two files whose locks decide; whoever waits to be alone holds the door, so that those who are inside come out."""


class House:
    """Lets in many tests that do not mind each other, or one that does.

    Attributes:
        door: held for as long as somebody waits to get in.
        room: shared by those who are inside.
        alone: whether this worker is inside, with nobody else.
    """

    def __init__(self, folder: Path) -> None:
        self.door, self.room = (folder / DOOR).open("w"), (folder / ROOM).open("w")
        self.alone = False

    def enter(self, alone: bool) -> None:
        """Wait until there is room for this test."""
        fcntl.flock(self.door, fcntl.LOCK_EX)
        fcntl.flock(self.room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self.door, fcntl.LOCK_UN)
        self.alone = alone

    def leave(self) -> None:
        """Let others in."""
        fcntl.flock(self.room, fcntl.LOCK_UN)
        self.alone = False


HOUSE = pytest.StashKey[House]()
FOLDER = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()


def is_alone(item: pytest.Item | None) -> bool:
    """Return whether a test wants the machine to itself."""
    return item is not None and item.get_closest_marker("alone") is not None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the locks are."""
    stash = node.config.stash
    if FOLDER not in stash:
        stash[FOLDER] = tempfile.TemporaryDirectory(prefix="serlab-tests-")
    node.workerinput["house"] = stash[FOLDER].name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the locks."""
    if FOLDER in config.stash:
        config.stash[FOLDER].cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put those that want to be alone at the end, where they hold up nobody."""
    items.sort(key=is_alone)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Open the locks, in a worker."""
    folder = getattr(session.config, "workerinput", {}).get("house")
    if folder:
        session.config.stash[HOUSE] = House(Path(folder))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Wait until nobody is in the way, with the fixtures too, which may be what measures."""
    house = item.config.stash.get(HOUSE, None)
    if house is None:
        return (yield)
    if not house.alone:
        house.enter(is_alone(item))
    try:
        return (yield)
    finally:
        # One after the other, not in turns with the others.
        if not (house.alone and is_alone(nextitem)):
            house.leave()
