"""Compile generated source so that tracebacks and debuggers show its lines."""

import linecache
from typing import Any


def define(name: str, source: str, namespace: dict[str, Any]) -> Any:
    """Run generated source in a namespace and give what it defined.

    Args:
        name: the function that the source defines.
        source: the source of one function.
        namespace: the function's globals; `PURPOSE` says what they are for.
    """
    file = f"<serlab {namespace['PURPOSE']} {name}>"
    exec(compile(source, file, "exec"), namespace)
    # A None for the modification time keeps the entry, since there is no file to compare it with.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    return namespace[name]


def choose(template: str, **flags: bool) -> str:
    """Keep the lines of a template that apply.

    Args:
        template: source lines; `@name ` at the start marks one that needs the flag, `@!name ` one that needs it off.
        flags: the flags.
    """
    kept = []
    for line in template.splitlines():
        mark, _, rest = line.partition(" ") if line.startswith("@") else ("", "", line)
        name = mark.lstrip("@!")
        if not mark or flags[name] != mark.startswith("@!"):
            kept.append(rest)
    return "\n".join([*kept, ""])
