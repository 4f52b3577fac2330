"""A protobuf object → the message; only fields that are there are visited."""

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto

from serlab.codecs import jsontext, protoboxes
from serlab.codecs.plan import Arm, fitting, json_reader, plan_of
from serlab.generated import llm_pb2
from serlab.messages import Message
from serlab.messages.base import Part
from serlab.messages.extra import legal, once

Change = Callable[[Any], Any]


@cache
def reader(type_: type[Part]) -> Change:
    """Build the function that makes a struct of a protobuf object.

    A number in `nulls` or `empties` that the schema does not have is a KeyError there: the bytes are of another schema.
    One that is reserved is passed over, as its field's value would be.
    """
    descriptor, message = getattr(llm_pb2, type_.__name__).DESCRIPTOR, DescriptorProto()
    descriptor.CopyToProto(message)
    fields, gone = descriptor.fields_by_name, dict.fromkeys(reserved_numbers(message), "")
    plan = plan_of(type_)
    # upb keeps one descriptor object for each field, so it can be a key.
    entries = {fields[arm.name]: (field.name, change_of(arm)) for field in plan for arm in field.arms}
    entries |= {fields[name]: (name, None) for name in ("nulls", "empties") if name in fields}
    nulls = gone | {fields[field.schema_name].number: field.name for field in plan}
    empties = gone | {fields[arm.name].number: field.name for field in plan for arm in field.arms}
    if issubclass(type_, Message):
        entries[fields["extra"]] = ("extra", read_extra)

    def read(source: Any) -> Any:
        values: dict[str, Any] = {}
        for descriptor, content in source.ListFields():
            name, change = entries[descriptor]
            values[name] = content if change is None else change(content)
        if "nulls" in values:
            for number in values.pop("nulls"):
                values[nulls[number]] = None
        if "empties" in values:
            for number in values.pop("empties"):
                values[empties[number]] = []
        if gone:
            values.pop("", None)
        return type_(**values)

    return (lambda source: legal(read(source))) if issubclass(type_, Message) else read


def reserved_numbers(message: DescriptorProto) -> set[int]:
    """Return the numbers of a message's removed fields."""
    return {number for span in message.reserved_range for number in range(span.start, span.end)}


def change_of(arm: Arm) -> Change | None:
    """Build what makes a value of a schema field's content; None for scalars, which come as they are."""
    if arm.struct is not None:
        struct = arm.struct
        if arm.kind == "struct":
            return lambda value: reader(struct)(value)
        return lambda items: list(map(reader(struct), items))
    if arm.kind == "json":
        return json_reader(arm)
    change = CHANGES.get(arm.kind)
    return change if arm.hint is None or change is None else lambda content: fitting(arm, change(content))


def read_extra(items: Any) -> dict[str, Any]:
    """Read the unknown fields."""
    return once([(item.pointer, jsontext.loads(item.json)) for item in items])


def read_vector(box: Any) -> Any:
    """Read a Vector back; an object with a vector in it is an `Embedding`."""
    return protoboxes.read_vector(box, reader)


CHANGES: dict[str, Change] = {
    "strs": list,
    "tokens": list,
    "bytes": list,
    "prompt": protoboxes.read_prompt,
    "vector": read_vector,
    "vectors": lambda items: list(map(read_vector, items)),
}
