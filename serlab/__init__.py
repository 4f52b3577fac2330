"""serlab: which wire format, at which boundary of an LLM service, and what does it buy.

    from serlab import ChatRequest, compare, load_results, open_codec

    codec = open_codec("protobuf", ChatRequest)
    data = codec.encode(ChatRequest(model="m", messages=[]))
    assert codec.decode(data) == ChatRequest(model="m", messages=[])

`compare` measures codecs on the built-in workloads or on recorded traffic; `load_results` reads a results folder;
`decide` ranks the codecs of one for a boundary of a system.
Nothing is imported before its name is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serlab.codecs import Codec, codec_names, open_codec
    from serlab.comparison import compare
    from serlab.decide import Decision, decide
    from serlab.errors import DecodeError, EncodeError, SerlabError
    from serlab.limits import Limits
    from serlab.messages import (
        UNSET,
        ChatChunk,
        ChatRequest,
        ChatResponse,
        EmbeddingRequest,
        EmbeddingResponse,
        GenerateRequest,
        GenerateResponse,
        from_document,
        to_document,
    )
    from serlab.results import load_environment, load_findings, load_results
    from serlab.workloads import build

__all__ = [
    "UNSET",
    "ChatChunk",
    "ChatRequest",
    "ChatResponse",
    "Codec",
    "Decision",
    "DecodeError",
    "EmbeddingRequest",
    "EmbeddingResponse",
    "EncodeError",
    "GenerateRequest",
    "GenerateResponse",
    "Limits",
    "SerlabError",
    "build",
    "codec_names",
    "compare",
    "decide",
    "from_document",
    "load_environment",
    "load_findings",
    "load_results",
    "open_codec",
    "to_document",
]

HOMES = {
    "serlab.codecs": {"Codec", "codec_names", "open_codec"},
    "serlab.comparison": {"compare"},
    "serlab.decide": {"Decision"},
    "serlab.errors": {"DecodeError", "EncodeError", "SerlabError"},
    "serlab.limits": {"Limits"},
    "serlab.results": {"load_environment", "load_findings", "load_results"},
    "serlab.workloads": {"build"},
}
"""Module → the names that it gives; all others come from `serlab.messages`."""


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, and keep it.

    Raises:
        AttributeError: serlab has no such name.
    """
    if name not in __all__:
        raise AttributeError(f"module 'serlab' has no attribute {name!r}")
    if name == "decide":
        # The package itself, which can be called: it is bound here anyway as soon as one of its modules is imported.
        return import_module("serlab.decide")
    home = next((module for module, names in HOMES.items() if name in names), "serlab.messages")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
