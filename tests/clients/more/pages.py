"""A page whose cells are run when it is built, and a notebook, as builders of books take them."""

from __future__ import annotations

from pathlib import Path

import nbformat

from tests.clients.jupyter_server import notebook_for

# What inline code refers to is a form of MyST's, as cells are.
PAGE = """\
---
file_format: mystnb
kernelspec:
  name: {name}
  display_name: Python
---
# A page

```{{code-cell}} ipython3
x = 6
print("printed")
x * 7
```

The number is {{eval}}`x`.

```{{code-cell}} ipython3
from IPython.display import HTML
HTML("<b>bold</b>")
```

```{{code-cell}} ipython3
:tags: [raises-exception]
1 / 0
```
"""

CELLS = ("print('in the notebook')", "6 * 9")


def write_page(folder: Path, name: str) -> None:
    """Put the page into a folder, for a kernel."""
    (folder / "index.md").write_text(PAGE.format(name=name))


def write_notebook(folder: Path, name: str) -> None:
    """Put the notebook into a folder, for a kernel."""
    book = notebook_for(name, *CELLS)
    book.cells.insert(0, nbformat.v4.new_markdown_cell("# A notebook"))
    nbformat.write(book, folder / "notebook.ipynb")
