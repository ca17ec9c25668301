"""Makes a page of an executed notebook that needs no network: `nbconvert --to examples.page.Page`.

nbconvert's own pages load MathJax, RequireJS and the views of widgets from other hosts, and show no
JSON.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

from latex2mathml.converter import convert
from nbconvert.exporters import HTMLExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor, Preprocessor
from nbformat import NotebookNode

# A formula in a line of its own, or within a sentence.
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", re.DOTALL)

_WIDGET = "application/vnd.jupyter.widget-view+json"

# Nothing is loaded from elsewhere.
_TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
"""


class Standalone(Preprocessor):
    """Gives formulas, JSON and widgets a form that every browser can show by itself."""

    def preprocess_cell(
        self,
        cell: NotebookNode,
        resources: dict[str, Any],
        index: int,  # noqa: ARG002 - see `Preprocessor`
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Rewrite a cell's text, or what it showed."""
        if cell.cell_type == "markdown":
            cell.source = _with_formulas(cell.source)
        for output in cell.get("outputs", ()):
            _rewrite(output.get("data", {}))
        return cell, resources


def _rewrite(data: dict[str, Any]) -> None:
    """Add to an output, or take from it, by its MIME types."""
    data.pop(_WIDGET, None)
    if "text/markdown" in data:
        data["text/markdown"] = _with_formulas(data["text/markdown"])
    if "text/latex" in data:
        data["text/html"] = _with_formulas(data["text/latex"])
    if "application/json" in data:
        text = json.dumps(data["application/json"], indent=2, ensure_ascii=False)
        data["text/html"] = f"<pre style='font-family: monospace'>{escape(text)}</pre>"


def _with_formulas(text: str) -> str:
    """A text whose formulas in TeX have become MathML."""

    def mathml(formula: re.Match[str]) -> str:
        block, inline = formula.groups()
        display = "block" if block or formula[0] == text.strip() else "inline"
        return convert((block or inline).removeprefix(r"\displaystyle "), display=display)

    return _FORMULA.sub(mathml, text)


class Page(HTMLExporter):
    """nbconvert's page, of what is in the notebook alone."""

    raw_template = _TEMPLATE

    @property
    def default_config(self) -> Any:
        """The exporter's own, and the preprocessors; the first leaves of a bar its last state."""
        made = super().default_config
        made.HTMLExporter.preprocessors = [CoalesceStreamsPreprocessor, Standalone]
        return made
