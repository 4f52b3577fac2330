"""A codec of another package, written from README and CONTRIBUTING alone: `tests/support/outside_codec`."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cbor2")

PACKAGE = Path(__file__).parents[1] / "support" / "outside_codec"
NAME = "cbor-outside"
ASKED = """
import json
import cbor2
from serlab import build, to_document
from serlab.codecs import codec_info, codec_names, decode_untrusted, open_codec
from serlab.codecs.info import BUILT_IN
from serlab.decide.cost import format_of
from serlab.errors import DecodeError
from serlab.fidelity import evolution_cells, fidelity_cells
from serlab.limits import Limits
from serlab.measure.wire import is_compared
from serlab.report.figures.look import look_of
from serlab.wire.client import content_for
from serlab.wire.content import content_of
from serlab.workloads import names

NAME = "cbor-outside"


def refusal(data, **limits):
    try:
        decode_untrusted(open_codec(NAME, "document", Limits(**limits)), data)
    except DecodeError as error:
        return str(error)


info, messages = codec_info(NAME), [message for name in names() for message in build(name)[:2]]
codecs = [open_codec(NAME, type(message)) for message in messages]
print(json.dumps({
    "last": codec_names()[-1],
    "record": [info.version, info.complaint, codecs[0].version],
    "equal": [
        to_document(codec.decode(codec.encode(message))) == to_document(message)
        for codec, message in zip(codecs, messages)
    ],
    "arrays": refusal(cbor2.dumps([[]] * 200_000), max_items=1000),
    "deep": refusal(b"\\x81" * 500 + b"\\x01", max_depth=64),
    "large": refusal(cbor2.dumps([[]] * 900_000), max_materialized_bytes=10**7),
    "shared": refusal(bytes.fromhex("82d81c80d81d00")),
    "behind": refusal(b"\\x01\\x02"),
    "cut": [refusal(cbor2.dumps({"a": [1, "text", {"b": 1.5}]})[:end]) is not None for end in range(14)],
    "look": look_of(NAME).colour,
    "others": [other.colour for other in BUILT_IN.values()],
    "decide": format_of(NAME)._asdict(),
    "header": content_for(NAME).header(),
    "read": content_of("application/cbor").codec,
    "wire": is_compared(info, False),
    "kept": sorted({cell.outcome for cell in fidelity_cells([NAME])}),
    "evolution": len(evolution_cells([NAME])),
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Install the package as pip would, from its own pyproject.toml, and ask a fresh Python about its codec."""
    home = tmp_path_factory.mktemp("outside")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    for module in PACKAGE.glob("*.py"):
        shutil.copy(module, home)
    info = home / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in points.items()) for group, points in groups]
    (info / "entry_points.txt").write_text("\n".join(lines))
    path = os.pathsep.join(filter(None, [str(home), *sys.path]))
    command = [sys.executable, "-W", "error", "-c", ASKED]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_is_listed_with_its_librarys_version(told: dict[str, Any]) -> None:
    """Not with that of its own distribution."""
    version = metadata.version("cbor2")
    assert told["last"] == NAME and told["record"] == [version, "", version]


def test_it_carries_every_workload(told: dict[str, Any]) -> None:
    """What comes back is the document that went."""
    assert len(told["equal"]) > 10 and all(told["equal"])


def test_its_limits_refuse_what_a_stranger_sends(told: dict[str, Any]) -> None:
    """200,000 arrays against a thousand, deep ones, large ones, shared ones, and what is behind a message or cut."""
    assert told["arrays"].startswith(f"{NAME}: limit max_items: expected at most 1,000, got more in 200,005 bytes; if")
    assert "limit max_depth: expected at most 64" in told["deep"]
    assert "limit max_materialized_bytes" in told["large"]
    assert "tag 28, for which JSON has no value" in told["shared"] and "1 bytes behind" in told["behind"]
    assert all(told["cut"])


def test_all_that_tells_codecs_apart_knows_it(told: dict[str, Any]) -> None:
    """Its colour, what its format can do, its content type both ways, the wire, and both matrices."""
    assert told["look"] == "#56B4E9" and told["look"] not in told["others"]
    assert told["decide"] == {
        "wire": "CBOR",
        "browser": False,
        "person": False,
        "other_languages": True,
        "unknown_fields": True,
        "untrusted_bytes": True,
        "schema": False,
        "reference": "",
    }
    assert (told["header"], told["read"], told["wire"]) == ("application/cbor", NAME, True)
    assert "kept" in told["kept"] and "missing" not in told["kept"] and told["evolution"] > 0
