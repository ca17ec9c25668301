"""Reads a cell without running it: what it names, and whether it can be run again by itself.

It travels to the session as text before that of `lineage`. It may meet any Python from 3.8 on.
"""

from __future__ import annotations

import ast
import re
from typing import Any

# Names of what earlier cells have given.
EARLIER = re.compile("_+|_[0-9]+|Out")

# What runs code that stands in a text: magics are calls of its methods.
MAGIC = "get_ipython"

# Why a cell can't be run again by itself.
AWAITS = "it waits for something"
EARLIER_OUTPUT = "it uses what an earlier cell has shown"


class Reading(ast.NodeVisitor):
    """What stands in a cell.

    Args:
        tree: its syntax tree.

    Attributes:
        names: all that it names: variables, attributes, modules; with magics, also each word of
            their lines.
        read: those of the variables that it reads or deletes, and does not bind alone.
        awaits: whether it waits for something, outside of functions.
    """

    def __init__(self, tree: ast.AST) -> None:
        self.names: set[str] = set()
        self.read: set[str] = set()
        self.awaits = False
        self._texts: list[str] = []
        self._depth = 0  # of functions
        self.visit(tree)
        if MAGIC in self.names:
            words = {word for text in self._texts for word in re.findall(r"\w+", text)}
            self.names |= words
            self.read |= words

    def why_never(self) -> str:
        """Why it can't be run again by itself; empty if it can."""
        if any(EARLIER.fullmatch(name) for name in self.read):
            return EARLIER_OUTPUT
        return AWAITS if self.awaits else ""

    def visit_Name(self, node: ast.Name) -> None:
        """A variable."""
        self.names.add(node.id)
        if not isinstance(node.ctx, ast.Store):
            self.read.add(node.id)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Such as `+=`, which reads what it binds."""
        if isinstance(node.target, ast.Name):
            self.read.add(node.target.id)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """An attribute."""
        self.names.add(node.attr)
        self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        """What is imported."""
        self.names.update(node.name.split("."), [node.asname or node.name])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Where it is imported from."""
        self.names.update((node.module or "").split("."))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """A text, among others."""
        if isinstance(node.value, str):
            self._texts.append(node.value)

    def visit_Global(self, node: ast.Global) -> None:
        """Variables that a function binds."""
        self.names.update(node.names)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class."""
        self.names.add(node.name)
        self.generic_visit(node)

    def _visit_function(self, node: Any) -> None:
        self.names.add(getattr(node, "name", ""))
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_function  # noqa: N815

    def _visit_await(self, node: Any) -> None:
        self.awaits = self.awaits or not self._depth
        self.generic_visit(node)

    visit_Await = visit_AsyncFor = visit_AsyncWith = _visit_await  # noqa: N815
