"""A package's front door: names that it gives to others, whose module is imported when the first of them is asked for.

So a package can give what loads a library that not every user needs. What it gives stands once, where type checkers
read it, too: `if TYPE_CHECKING: from serlab.package.module import name`.
"""

import ast
import inspect
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any


def front_door(package: str) -> Callable[[str], Any]:
    """Return a package's `__getattr__`.

    Args:
        package: its `__name__`.
    """

    @cache
    def homes() -> dict[str, str]:
        return _imported_for_types(ast.parse(inspect.getsource(sys.modules[package])))

    def given(name: str) -> Any:
        """Import a name of the package.

        Raises:
            AttributeError: it gives no such name.
        """
        if name.startswith("__") or name not in homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes()[name]), name)

    return given


def _imported_for_types(tree: ast.Module) -> dict[str, str]:
    """Return name → module of the imports that stand under `if TYPE_CHECKING`."""
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}
