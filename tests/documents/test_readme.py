"""What the README says of the package is what the package has."""

from __future__ import annotations

import json

from tests.documents.pages import ROOT


def test_the_kernels_have_the_names_that_launchers_show() -> None:
    readme = (ROOT / "README.md").read_text()
    for path in (ROOT / "kernelspec").glob("*/kernel.json"):
        shown = json.loads(path.read_text())["display_name"]
        assert f"| `{path.parent.name}` | {shown} |" in readme
