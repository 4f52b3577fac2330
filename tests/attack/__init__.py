"""A search for the message that costs most per byte: `make attack SECONDS=600`, or `python -m tests.attack --help`.

A message is a recipe, a small program that writes it at any length. Recipes are grown from the types and the schemas,
from seeds of the known dear kinds and from each other; each is measured in a process of its own, against the budget of
its length. What takes more is a find: it is made as small as can be and written down as its recipe.

- `rope`, `recipe`: bytes that are described before they are made; programs that describe them.
- `documents`, `wire`, `tables`: recipe → JSON and MessagePack, protobuf, FlatBuffers.
- `places`, `schemas`: what may stand where; `seeds`: where a search begins; `mutate`: recipe → another.
- `entrances`: what is called; `trial`: a process that calls it and measures; `search`: what is tried next.
- `tried`: what is known of a recipe; `finds`: what is too dear, and made smaller.
- `proof`: whether the search finds again what was once repaired.
- `__main__`: the command.
"""
