"""How the documents become a site: `make docs`."""

from __future__ import annotations

from tci_kernel import __version__

project = "tci-kernel"
author = "The tci-kernel developers"
release = __version__

extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"tci-kernel {release}"
html_copy_source = False
html_show_copyright = False

# An option's two dashes stay two.
smartquotes = False

# Of a command in a notebook, `%tci` and `!` lines included.
highlight_language = "text"
