"""Messages of the known dear kinds, a recipe each; a search may leave a kind out, to prove that it finds it itself."""

from serlab.generated import llm_pb2
from serlab.generated.llm_layout import LAYOUT
from tests.attack.recipe import Node

Seeds = list[tuple[str, Node]]
"""(kind of message, recipe)."""

LISTS = (
    ("ChatRequest", "tools"), ("ChatRequest", "messages"), ("ChatResponse", "choices"), ("EmbeddingResponse", "data"),
)  # fmt: skip
"""Fields that hold many objects."""


def atom(name: str) -> Node:
    """Return an atom."""
    return ("atom", name)


def many(node: Node, count: float = 1.0) -> Node:
    """Return a list of equal items."""
    return ("list", ("block", count, None, node))


def only(key: object, node: Node) -> Node:
    """Return an object with one field."""
    return ("dict", ("block", 1, key, node))


def in_documents(form: str) -> dict[str, Seeds]:
    """List the seeds of JSON and MessagePack."""
    wide = ("text", "a", 1.0, "😀")
    found: dict[str, Seeds] = {
        "plain": [("ChatRequest", only("messages", many(only("content", ("text", "a", 60, "")))))],
        "numbers for objects": [(kind, only(name, many(atom("1")))) for kind, name in LISTS],
        "scalars": [("document", many(atom(name))) for name in ("1", "12336", "0.1", "null")],
        "empties": [("document", many(atom(name))) for name in ("list", "dict", "text", "letter")]
        + [(kind, only(name, many(("dict",)))) for kind, name in LISTS],
        "unknown fields": [
            ("ChatRequest", ("dict", ("block", 1.0, "text", atom("1")))),
            ("ChatRequest", only("messages", many(only("abc", atom("1"))))),
        ],
        "nesting": [("document", many(("nest", shape, 900, atom("1")))) for shape in ("list", "dict")],
        "wide text": [
            ("ChatRequest", only("model", wide)),
            ("ChatRequest", only("messages", many(only("content", ("text", "a", 60, "😀"))))),
        ],
        "vectors": [
            ("EmbeddingResponse", only("data", many(only("embedding", many(atom("0.1"), 900))))),
            ("GenerateRequest", only("prompt_token_ids", many(atom("7")))),
        ],
    }
    if form == "msgpack":
        bits = ("bits", "-1", "-2")
        found["colliding keys"] = [
            (kind, only("x", ("dict", ("block", 1.0, bits, atom("1"))))) for kind in ("ChatRequest", "document")
        ]
        found["declared counts"] = [
            ("document", many(("claim", shape, count))) for shape in ("list", "dict") for count in (10**6, 2**31)
        ]
    return found


def in_protobuf() -> dict[str, Seeds]:
    """List the seeds of protobuf."""

    def number(kind: str, name: str) -> int:
        return int(getattr(llm_pb2, kind).DESCRIPTOR.fields_by_name[name].number)

    def message(kind: str, name: str, count: float, node: Node) -> Node:
        return ("message", ("block", count, number(kind, name), node))

    objects = [(kind, message(kind, name, 1.0, ("message",))) for kind, name in LISTS]
    texts = ("message", ("block", 1, 2, ("json", many(atom("list")))))
    return {
        "plain": [("ChatRequest", message("ChatRequest", "model", 1, ("text", "a", 60, "")))],
        "empties": [*objects, ("EmbeddingRequest", message("EmbeddingRequest", "input", 1.0, ("message",)))],
        "JSON texts": [("ChatRequest", message("ChatRequest", "extra", 10, texts))],
        "unknown fields": [
            ("ChatRequest", ("message", ("block", 1.0, field, node)))
            for field, node in ((15, ("varint", 1)), (1000, ("group",)), (2000, ("text", "a", 1, "")))
        ],
        "unpacked numbers": [
            ("ChatRequest", message("ChatRequest", "nulls", 1.0, ("varint", 10))),
            ("GenerateRequest", message("GenerateRequest", "prompt_token_ids", 1.0, ("varint", 1))),
            ("GenerateRequest", message("GenerateRequest", "prompt_token_ids", 1, ("numbers", 1, 1, 1.0))),
        ],
        "wide text": [("ChatRequest", message("ChatRequest", "model", 1, ("text", "a", 1.0, "😀")))],
        "nesting": [("ChatRequest", ("message", ("block", 90, 1000, ("group", ("block", 1, 1000, ("group",))))))],
        "declared counts": [("ChatRequest", message("ChatRequest", "model", 1.0, ("claim", "text", 2**31)))],
    }


def in_flatbuffers() -> dict[str, Seeds]:
    """List the seeds of FlatBuffers."""

    def slot(kind: str, name: str, node: Node) -> Node:
        return ("table", ("block", 1, LAYOUT[kind][name][0], node))

    def vector(node: Node, alias: bool, count: float = 1.0) -> Node:
        return ("vector", alias, ("block", count, None, node))

    doubled: Node = ("table",)
    for _ in range(25):
        doubled = slot("Embedding", "embeddings", vector(slot("Vector", "item", doubled), True, 2))
    text = ("text", "a", 1.0, "😀")
    extra = slot("Extra", "json", ("json", many(atom("list"))))
    return {
        "plain": [("ChatRequest", slot("ChatRequest", "model", ("text", "a", 60, "")))],
        "empties": [(kind, slot(kind, name, vector(("table",), False))) for kind, name in LISTS],
        "shared tables": [
            ("EmbeddingResponse", slot("EmbeddingResponse", "data", vector(doubled, True, 1))),
            *((kind, slot(kind, name, vector(("table",), True))) for kind, name in LISTS),
        ],
        "aliased text": [("ChatRequest", slot("ChatRequest", "modalities", vector(text, True)))],
        "JSON texts": [
            ("ChatRequest", slot("ChatRequest", "extra", vector(extra, alias, 10))) for alias in (False, True)
        ],
        "vectors": [("GenerateRequest", slot("GenerateRequest", "prompt_token_ids", ("numbers", 4, 1, 1.0)))],
        "wide text": [("ChatRequest", slot("ChatRequest", "model", text))],
        "declared counts": [("ChatRequest", slot("ChatRequest", "messages", ("claim", "list", 2**30)))],
    }


def seeds(form: str, left_out: frozenset[str] = frozenset()) -> Seeds:
    """List the seeds of a format.

    Args:
        form: "json", "msgpack", "protobuf" or "flatbuffers".
        left_out: kinds of seeds that are not given.
    """
    if form in ("json", "msgpack"):
        found = in_documents(form)
    else:
        found = in_protobuf() if form == "protobuf" else in_flatbuffers()
    return [seed for name, group in found.items() if name not in left_out for seed in group]


KINDS = tuple(
    {name: None for form in ("json", "msgpack") for name in in_documents(form)} | in_protobuf() | in_flatbuffers()
)
"""The kinds of seeds."""
