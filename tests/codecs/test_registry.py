"""The registry: codecs by name, lazily, and other packages' codecs by entry points."""

import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import get_args

import pytest

from serlab import codecs
from serlab.codecs import (
    FLATBUFFERS,
    JSON,
    MSGPACK,
    PROTOBUF,
    CodecInfo,
    applicable_limits,
    codec_info,
    codec_infos,
    codec_names,
    codec_of,
    open_codec,
    orjson,
)
from serlab.codecs.info import BUILT_IN, Role
from serlab.errors import DecodeError, MissingPackageError, NoLimitsError, NoSchemaError, UnknownNameError
from serlab.limits import Limits
from serlab.messages import KINDS, ChatRequest
from tests.support.loops import every

FIVE = ["json", "orjson", "msgpack", "protobuf", "flatbuffers"]
PLUGIN = """
from dataclasses import replace
from serlab.codecs import JSON, CodecInfo, open_codec
from serlab.codecs.limits import json_within

def make(info, kind):
    return replace(open_codec("json", kind), name=info.name)

FACTS = {"format": JSON, "package": "msgspec", "make": make, "description": "a test"}
acme = CodecInfo(name="acme-json", **FACTS)
quiet = CodecInfo(name="quiet", **FACTS)
safe = CodecInfo(name="safe", verifies=True, limits=json_within, **FACTS)
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
    missing = replace(codec_info("orjson"), name="missing", package="no-such-package")
    monkeypatch.setitem(BUILT_IN, "missing", missing)
    info = codec_info("missing")
    assert (info.version, info.install) == ("", "pip install no-such-package")


def test_other_packages_codec_is_opened_like_a_built_in(tmp_path: Path) -> None:
    """It stands at the end of the list, with the version of its library and not of its own distribution."""
    distribution(tmp_path, "acme", "acme-json = acme:acme")
    code = "from serlab.codecs import *\ninfo = codec_info(codec_names()[-1])\n"
    code += "print(info.name, info.package, info.version, info.install, info.description, sep='|')\n"
    code += "codec = open_codec('acme-json', 'ChatRequest')\n"
    code += "from serlab import ChatRequest\nprint(codec.decode(codec.encode(ChatRequest(model='m'))).model)"
    done = run(code, tmp_path)
    version = metadata.version("msgspec")
    assert done.stdout == f"acme-json|msgspec|{version}|pip install msgspec|a test\nm\n", done.stderr


def test_other_packages_codec_is_for_strangers_bytes_only_where_it_says_so(tmp_path: Path) -> None:
    """One that says nothing is not trusted with them, and is opened all the same."""
    distribution(tmp_path, "acme", "quiet = acme:quiet\nsafe = acme:safe")
    code = "from serlab.codecs import *\nprint(*[codec_info(name).verifies for name in ('quiet', 'safe')])\n"
    code += (
        "print(*verifying_codecs()[-2:])\nopened = [open_codec(name, 'ChatRequest') for name in ('safe', 'quiet')]\n"
    )
    code += "print(decode_untrusted(opened[0], b'{\"model\":\"m\"}').model)\ndecode_untrusted(opened[1], b'{}')"
    done = run(code, tmp_path)
    assert done.stdout == "False True\nmsgspec-msgpack-fresh safe\nm\n", done.stderr
    assert "UnknownNameError: no codec that verifies what it reads named 'quiet'" in done.stderr


@pytest.mark.parametrize("name", ["flatbuffers-official", "flatbuffers-unverified"])
def test_limits_for_a_codec_without_a_scan_are_refused(name: str) -> None:
    """But for the length, which needs none; it is not held to others silently."""
    with pytest.raises(
        NoLimitsError, match=f"{name}: expected no limits beside max_bytes, .*got Limits.*leave them out"
    ):
        open_codec(name, "ChatRequest", Limits(max_items=1000))
    codec = open_codec(name, "ChatRequest", applicable_limits(name, Limits(max_bytes=10)))
    with pytest.raises(DecodeError, match="limit max_bytes"):
        codec.decode(codec.encode(ChatRequest(model="m")))


def test_a_codec_that_verifies_needs_limits() -> None:
    """Or a stranger could make it take any memory, and nobody would notice."""
    with pytest.raises(NoLimitsError, match="codec 'acme': expected limits of a codec that verifies"):
        CodecInfo(name="acme", format=JSON, package="acme", make="acme:make", verifies=True)


def test_records_are_complete_and_unique() -> None:
    """A name and a colour for each; a variant says of what, and how it differs; each role has one codec."""
    infos = codec_infos()
    assert len({info.name for info in infos}) == len(infos) and all(BUILT_IN[name].name == name for name in BUILT_IN)
    whole = [info for info in BUILT_IN.values() if not info.variant_of]
    assert all(info.colour and info.description and info.format.media for info in whole)
    assert len({info.colour for info in whole}) == len(whole)
    for info in (info for info in BUILT_IN.values() if info.variant_of):
        of = codec_info(info.variant_of)
        assert (of.variant_of, of.format.family, info.colour) == ("", info.format.family, "")
        assert (info.vectors, info.keep, info.verify, info.package) != ("", True, True, of.package)
    assert all(codec_of(wire) for wire in (JSON, MSGPACK, PROTOBUF, FLATBUFFERS))
    given = [role for info in BUILT_IN.values() for role in info.roles if role != "media"]
    assert sorted(given) == sorted(set(get_args(Role)) - {"media"})


def test_a_record_that_cannot_be_read_costs_only_its_codec(tmp_path: Path) -> None:
    """It is listed with what is wrong with it, and opening it says the same."""
    distribution(tmp_path, "acme", "other = acme:acme\nbare = acme:make")
    code = "from serlab.codecs import *\n"
    code += "print(*[(info.version, info.description) for info in codec_infos()[-2:]], sep='\\n')\n"
    code += "open_codec('bare', 'ChatRequest')"
    done = run(code, tmp_path)
    assert "('', \"cannot be loaded: TypeError: acme:acme: expected a CodecInfo of the name 'other'" in done.stdout, (
        done
    )
    assert "MissingPackageError: codec 'bare' needs acme" in done.stderr and "got a function" in done.stderr


def test_bytes_from_strangers_need_a_codec_that_verifies_and_has_limits() -> None:
    """All built-in ones verify but two; a codec that its module made has no limits yet."""
    assert {*BUILT_IN} - {*codecs.verifying_codecs()} == {"flatbuffers-official", "flatbuffers-unverified"}
    assert [info.name for info in codec_infos() if info.verifies] == [*codecs.verifying_codecs()]
    with pytest.raises(UnknownNameError, match="no codec that verifies what it reads named 'flatbuffers-unverified'"):
        codecs.decode_untrusted(open_codec("flatbuffers-unverified", "ChatRequest"), b"")
    with pytest.raises(DecodeError, match="make it by open_codec"):
        codecs.decode_untrusted(orjson.make(codec_info("orjson"), "ChatRequest"), b"{}")
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
