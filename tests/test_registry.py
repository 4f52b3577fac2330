"""The registry: codecs by name, lazily, and other packages' codecs by entry points."""

import subprocess
import sys
from pathlib import Path

import pytest

from serlab import codecs
from serlab.codecs import codec_info, codec_names, open_codec, orjson
from serlab.errors import DecodeError, MissingPackageError, NoSchemaError, UnknownNameError
from serlab.limits import Limits
from serlab.messages import KINDS, ChatRequest
from tests.loops import every

FIVE = ["json", "orjson", "msgpack", "protobuf", "flatbuffers"]
PLUGIN = """
from dataclasses import replace
from serlab.codecs import open_codec

def make(name, kind):
    return replace(open_codec("json", kind), name=name)
"""


def run(code: str, path: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run code in a fresh Python, with a folder of distributions on its path."""
    environment = {"PYTHONPATH": str(path)} if path else {}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def distribution(folder: Path, name: str, points: str) -> None:
    """Install a distribution with one module of its name and these entry points."""
    (folder / f"{name}.py").write_text(PLUGIN)
    info = folder / f"{name}-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text(f"[serlab.codecs]\n{points}\n")


def test_the_five_come_first() -> None:
    """Then msgspec's and the variants."""
    assert codec_names()[:7] == [*FIVE, "msgspec-json", "msgspec-msgpack"]


@every("name", codec_names())
def test_codec_tells_its_version_without_being_opened(name: str) -> None:
    """The version of the registry is that of the library that is bound."""
    info = codec_info(name)
    assert info.version == open_codec(name, "ChatRequest").version
    assert info.description


@every("name", codec_names())
def test_codec_is_bound_to_a_kind(name: str) -> None:
    """By type or by name; the same codec is given twice."""
    codec = open_codec(name, ChatRequest)
    assert (codec.name, codec.message) == (name, "ChatRequest")
    assert open_codec(name, "ChatRequest") is codec


@every("name", codec_names())
def test_codec_with_a_schema_has_none_for_a_document(name: str) -> None:
    """The others carry any JSON."""
    if codec_info(name).schema:
        with pytest.raises(NoSchemaError, match=f"{name}: no schema for a document"):
            open_codec(name, "document")
    else:
        assert open_codec(name, "document").message == "document"


@pytest.mark.parametrize(("wrong", "near"), [("protobuff", "protobuf"), ("msgpak", "msgpack"), ("orjsn", "orjson")])
def test_unknown_codec_suggests_the_nearest(wrong: str, near: str) -> None:
    """And lists all."""
    with pytest.raises(UnknownNameError, match=f"no codec named '{wrong}'; did you mean '{near}'") as caught:
        open_codec(wrong, "ChatRequest")
    assert all(name in str(caught.value) for name in codec_names())


def test_unknown_kind_suggests_the_nearest() -> None:
    """Kinds are looked up before codecs."""
    with pytest.raises(UnknownNameError, match="no message named 'ChatRequst'; did you mean 'ChatRequest'") as caught:
        open_codec("json", "ChatRequst")
    assert all(kind in str(caught.value) for kind in KINDS)


LIBRARIES = {
    "orjson": "orjson",
    "msgpack": "msgpack",
    "google.protobuf": "protobuf",
    "flatbuffers": "flatbuffers-official",
}
"""Package → a codec that needs it."""


@pytest.mark.parametrize(("package", "codec"), LIBRARIES.items())
def test_missing_package_is_answered_with_the_install_command(package: str, codec: str) -> None:
    """The error is an ImportError too, and the other codecs work."""
    name = package.removeprefix("google.")
    code = f"import sys; sys.modules[{package!r}] = None\nfrom serlab.codecs import open_codec\n"
    code += "open_codec('msgspec-msgpack', 'GenerateRequest')\n" if name != "orjson" else ""
    code += f"try:\n    open_codec({codec!r}, 'ChatRequest')\nexcept ImportError as error:\n    print(repr(error))"
    done = run(code)
    assert f"MissingPackageError(\"codec '{codec}' needs {name}: pip install {name} (import of " in done.stdout, (
        done.stderr
    )


def test_missing_package_leaves_the_version_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry can be listed without the library."""
    missing = codecs.Entry("orjson", "no-such-package", False, False, "a test")
    monkeypatch.setitem(codecs.BUILT_IN, "missing", missing)
    info = codec_info("missing")
    assert (info.version, info.install) == ("", "pip install no-such-package")


def test_other_packages_codec_is_opened_like_a_built_in(tmp_path: Path) -> None:
    """It stands at the end of the list, with its distribution's name and version."""
    distribution(tmp_path, "acme", "acme-json = acme:make")
    code = "from serlab.codecs import *\nprint(codec_names()[-1], *codec_info('acme-json')[1:4], sep='|')\n"
    code += "codec = open_codec('acme-json', 'ChatRequest')\n"
    code += "from serlab import ChatRequest\nprint(codec.decode(codec.encode(ChatRequest(model='m'))).model)"
    done = run(code, tmp_path)
    assert done.stdout == "acme-json|acme|2.5|pip install acme\nm\n", done.stderr


def test_other_packages_codec_is_for_strangers_bytes_only_where_it_says_so(tmp_path: Path) -> None:
    """Under a group of its own; one that says nothing is not trusted with them, and is opened all the same."""
    points = "quiet = acme:make\nsafe = acme:make\n[serlab.codecs.verifying]\nsafe = acme:make"
    distribution(tmp_path, "acme", points)
    code = "from serlab.codecs import *\nprint(*[codec_info(name).verifies for name in ('quiet', 'safe')])\n"
    code += (
        "print(*verifying_codecs()[-2:])\nopened = [open_codec(name, 'ChatRequest') for name in ('safe', 'quiet')]\n"
    )
    code += "print(decode_untrusted(opened[0], b'{\"model\":\"m\"}').model)\ndecode_untrusted(opened[1], b'{}')"
    done = run(code, tmp_path)
    assert done.stdout == "False True\nmsgspec-msgpack-fresh safe\nm\n", done.stderr
    assert "UnknownNameError: no codec that verifies what it reads named 'quiet'" in done.stderr


def test_bytes_from_strangers_need_a_codec_that_verifies_and_has_limits() -> None:
    """All built-in ones verify but two; a codec that its module made has no limits yet."""
    assert {*codecs.BUILT_IN} - {*codecs.verifying_codecs()} == {"flatbuffers-official", "flatbuffers-unverified"}
    assert [name for name in codecs.BUILT_IN if codec_info(name).verifies] == [*codecs.verifying_codecs()]
    with pytest.raises(UnknownNameError, match="no codec that verifies what it reads named 'flatbuffers-unverified'"):
        codecs.decode_untrusted(open_codec("flatbuffers-unverified", "ChatRequest"), b"")
    with pytest.raises(DecodeError, match="make it by open_codec"):
        codecs.decode_untrusted(orjson.make("orjson", "ChatRequest"), b"{}")
    small = open_codec("orjson", "ChatRequest", Limits(max_bytes=10))
    with pytest.raises(DecodeError, match="limit max_bytes"):
        codecs.decode_untrusted(small, b'{"model":"m"}')


@pytest.mark.parametrize("name", ["orjson", "twice"])
def test_two_codecs_of_one_name_are_an_error(tmp_path: Path, name: str) -> None:
    """A built-in one or another package's; the text names where it comes from."""
    distribution(tmp_path, "acme", f"{name} = acme:make")
    distribution(tmp_path, "bolt", f"{name} = bolt:make")
    done = run("from serlab.codecs import codec_names\ncodec_names()", tmp_path)
    assert f"DuplicateNameError: two codecs are named '{name}'; one is " in done.stderr
    assert ":make: rename or remove it" in done.stderr


def test_plugin_that_lacks_a_module_is_answered_with_the_install_command(tmp_path: Path) -> None:
    """As for a built-in codec."""
    distribution(tmp_path, "acme", "acme-json = no_such_module:make")
    done = run("from serlab.codecs import open_codec\nopen_codec('acme-json', 'ChatRequest')", tmp_path)
    assert "MissingPackageError: codec 'acme-json' needs acme: pip install acme" in done.stderr


def test_missing_package_error_is_an_import_error() -> None:
    """Code that guards an optional import catches it."""
    assert issubclass(MissingPackageError, ImportError)
