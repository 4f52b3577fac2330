"""protobuf with a schema made at run time.

Fields have presence (proto3 `optional`), enums are open.

Source: the protobuf encoding guide; descriptor.proto.
"""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from serlab.fidelity.evolution import Field, Schema, Values, Wire, join_unions, split_unions, unnamed, without_unions

REPEATED = {"strings": "string", "floats": "float"}
FieldProto: Any = descriptor_pb2.FieldDescriptorProto


def make() -> Wire:
    """Return the writer and the reader."""
    return Wire(_write, _read)


def _write(schema: Schema, values: Values) -> bytes:
    """Write a message; fields are found by number."""
    target = _message_class(without_unions(schema))()
    symbols = {field.name: dict(field.symbols) for field in schema if field.type == "enum"}
    for name, value in split_unions(schema, values).items():
        if isinstance(value, list):
            getattr(target, name).extend(value)
        else:
            setattr(target, name, symbols[name][value] if name in symbols else value)
    data: bytes = target.SerializeToString()
    return data


def _read(schema: Schema, data: bytes) -> Values:
    """Read a message."""
    symbols = {field.name: {symbol.number: symbol.name for symbol in field.symbols} for field in schema}
    values: Values = {}
    for descriptor, content in _message_class(without_unions(schema)).FromString(data).ListFields():
        if descriptor.enum_type is not None:
            values[descriptor.name] = symbols[descriptor.name].get(content, unnamed(content))
        else:
            values[descriptor.name] = list(content) if descriptor.is_repeated else content
    return join_unions(schema, values)


@cache
def _message_class(schema: Schema) -> Any:
    """Make the message class of a schema in a pool of its own."""
    file = descriptor_pb2.FileDescriptorProto(name="evolution.proto", syntax="proto3")
    message = file.message_type.add(name="Message")
    for field in schema:
        _add_field(message, field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Message"))


def _add_field(message: Any, field: Field) -> None:
    """Declare a field."""
    added = message.field.add(name=field.name, number=field.number)
    added.type = getattr(FieldProto, f"TYPE_{REPEATED.get(field.type, field.type).upper()}")
    if field.type in REPEATED:
        added.label = FieldProto.LABEL_REPEATED
        return
    added.label, added.proto3_optional = FieldProto.LABEL_OPTIONAL, True
    added.oneof_index = len(message.oneof_decl)
    message.oneof_decl.add(name=f"_{field.name}")
    if field.type == "enum":
        added.type_name = f".Message.{field.name.title()}"
        enum = message.enum_type.add(name=field.name.title())
        for symbol in field.symbols:
            enum.value.add(name=symbol.name, number=symbol.number)
