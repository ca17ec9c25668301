"""How IPython reads a cell: as Python, once its magics are made calls."""

from __future__ import annotations

import ast
from functools import cache
from typing import Any

# Cell magics whose body is Python in the notebook's own namespace.
PYTHON_CELLS = frozenset({"%%capture", "%%prun", "%%time", "%%timeit"})


def parsed(code: str) -> ast.Module:
    """A cell as Python sees it; empty where it can't be read."""
    try:
        tree: ast.Module = ast.parse(transformer().transform_cell(code))
    except Exception:  # noqa: BLE001 -- the tokenizer has many ways to refuse a text
        return ast.Module([], [])
    return tree


@cache
def transformer() -> Any:
    """What makes Python of a cell."""
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415

    # IPython does not annotate its constructor.
    return TransformerManager()  # type: ignore[no-untyped-call]
