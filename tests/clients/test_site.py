"""The site of the documents, as a reader uses it: from a directory, without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.documents.pages import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that `make docs` makes."""
    directory = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--fail-on-warning", "--nitpicky")
    build = (sys.executable, "-m", "sphinx", *options, ROOT / "docs", directory)
    subprocess.run(list(map(str, build)), check=True)
    return directory


def test_blocks_are_copied_pages_are_found_and_it_gets_dark(site: Path, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.context.set_offline(True)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto((site / "index.html").as_uri())

    block = page.locator("div.highlight", has_text="pip install .").first
    block.hover()
    button = block.locator("button.copybtn")
    button.click()
    expect(button).to_have_class("copybtn o-tooltip--left success")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("pip install .")

    moving = page.locator("img[src$='live.gif']")
    assert moving.evaluate("image => image.complete && image.naturalWidth > 0")

    toggle = page.locator("button.theme-toggle").locator("visible=true")
    for _ in range(3):  # as the system has it, light, dark
        toggle.click()
        if page.locator("body").get_attribute("data-theme") == "dark":
            break
    assert page.locator("body").get_attribute("data-theme") == "dark"

    page.locator("input[name=q]").locator("visible=true").fill("expired session")
    page.keyboard.press("Enter")
    expect(page.locator("#search-results li a").first).to_be_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
