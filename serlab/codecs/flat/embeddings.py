"""Write lists of embeddings: the one place where a table and the vector in it become one piece.

Almost every embedding response is a list of the same three fields, so the item, its Vector and the length of its array
are packed at once and its array follows (measured: half the time of two tables and a vector). Anything else goes the
general way.
"""

from struct import Struct
from typing import Any

import numpy as np

from serlab.codecs.flat.boxes import FLOAT32, box_form
from serlab.codecs.flat.forms import make_form
from serlab.codecs.flat.layout import slots_of
from serlab.codecs.flat.parts import ZEROS, Write, put_offsets, put_text, put_vtable
from serlab.codecs.flat.source import define
from serlab.messages import UNSET
from serlab.messages.embeddings import Embedding

FIELDS = ("object", "index", "embedding")
"""What an item of the common form holds: text, an integer, a float32 array."""

SOURCE = """\
def put_embeddings(write, items, out, pos, seen, ndarray=ndarray, FLOAT32=FLOAT32, UNSET=UNSET):
    places = []
    item_vtable = vector_vtable = 0
    text = NOTHING
    for m in items:
        if type(m) is not Embedding:
            raise TypeError(f"a list of Embedding holds a {type(m).__name__}")
        o = m.object
        v = m.embedding
        same = o == text
        if (
            type(v) is ndarray and v.dtype is FLOAT32 and v.ndim == 1
            and (same or type(o) is str) and type(m.index) is int and OTHERS is UNSET
        ):
            if not item_vtable:
                item_vtable, pos = put_vtable(ITEM, out, pos, seen)
                vector_vtable, pos = put_vtable(VECTOR, out, pos, seen)
            if not same:
                place, pos = put_text(o.encode(), out, pos, seen)
                text = o
            n = len(v)
            pos += SIZE + 4 * n
            if not pos & 4:
                out.append(ZEROS)
                pos += 4
            out.append(v)
            out.append(pack(item_vtable - pos, VALUES, vector_vtable - pos + START, 4, n))
        else:
            pos = write(m, out, pos, seen)
        places.append(pos)
    return put_offsets(places, out, pos)
"""


def embeddings_writer() -> Write:
    """Generate the function that writes a list of `Embedding`: (write_Embedding, items, out, pos, seen) → position."""
    item = make_form(tuple(slot for slot in slots_of(Embedding) if slot.name in FIELDS))
    vector = box_form("Vector", "float32s")
    names = {"object": f"pos - {item.places[item_id('object')]} - place", "index": "m.index"}
    # The Vector follows the item's table.
    names["embedding"] = str(item.size - item.places[item_id("embedding")])
    others = " is ".join(f"m.{name}" for name in Embedding.__struct_fields__ if name not in FIELDS)
    source = SOURCE.replace("OTHERS", others).replace("VALUES", ", ".join(names[slot.name] for slot in item.order))
    source = source.replace("START", str(item.size)).replace("SIZE", str(item.size + vector.size + 4))
    pack = Struct(item.format + vector.format.lstrip("<") + "I").pack
    namespace: dict[str, Any] = {"PURPOSE": "writer", "Embedding": Embedding, "ndarray": np.ndarray, "UNSET": UNSET}
    namespace |= {"FLOAT32": FLOAT32, "ITEM": item, "VECTOR": vector, "ZEROS": ZEROS, "pack": pack}
    # Equal to no value, an absent or a null one included.
    namespace["NOTHING"] = object()
    namespace |= {"put_vtable": put_vtable, "put_text": put_text, "put_offsets": put_offsets}
    function: Write = define("put_embeddings", source, namespace)
    return function


def item_id(name: str) -> int:
    """Look up a slot's id in the table of an `Embedding`."""
    return next(slot.id for slot in slots_of(Embedding) if slot.name == name)
