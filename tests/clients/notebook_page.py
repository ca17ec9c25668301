"""A notebook on a page of JupyterLab or of Notebook 7, as a person uses it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.clients.jupyter_server import JupyterServer
from tests.clients.pictures import picture

# Milliseconds for anything that a cell does; generous, since machines that test are busy.
PATIENCE = 30_000

# A click in its middle sets the middle one of a slider's values.
SLIDER_BAR = ".noUi-base"

ADDRESSES = {"lab": "lab/workspaces/{stem}/tree/{name}", "notebook": "notebooks/{name}"}


@dataclass
class NotebookPage:
    """A notebook that is open in the browser."""

    page: Page
    interface: str

    @staticmethod
    def open(page: Page, server: JupyterServer, interface: str, name: str) -> NotebookPage:
        """Open a notebook and wait until its kernel is connected."""
        opened = NotebookPage._show(page, server, interface, name)
        opened.wait_until_idle()
        if interface == "lab":  # the list of files takes the notebook's room
            page.keyboard.press("Control+b")
            expect(page.locator(".jp-FileBrowser")).to_be_hidden()
        return opened

    @staticmethod
    def reopen(page: Page, server: JupyterServer, interface: str, name: str) -> NotebookPage:
        """Open a notebook a second time, while its kernel runs a cell."""
        opened = NotebookPage._show(page, server, interface, name)
        opened.wait_until_busy()
        return opened

    @staticmethod
    def _show(page: Page, server: JupyterServer, interface: str, name: str) -> NotebookPage:
        path = ADDRESSES[interface].format(name=name, stem=Path(name).stem)
        page.goto(server.address(path))
        opened = NotebookPage(page, interface)
        book = server.read(name)
        count = sum(cell.cell_type == "code" for cell in book.cells)
        expect(opened.cells).to_have_count(count, timeout=PATIENCE)
        kernel = book.metadata.kernelspec.display_name
        expect(page.locator(".jp-KernelName")).to_contain_text(kernel, timeout=PATIENCE)
        return opened

    @property
    def cells(self) -> Locator:
        return self.page.locator(".jp-Notebook .jp-CodeCell")

    def cell(self, index: int) -> Locator:
        return self.cells.nth(index)

    def editor(self, index: int) -> Locator:
        return self.cell(index).locator(".cm-content")

    def output(self, index: int) -> Locator:
        return self.cell(index).locator(".jp-OutputArea")

    def wait_until_idle(self) -> None:
        self._wait_until("idle")

    def wait_until_busy(self) -> None:
        self._wait_until("busy")

    def _wait_until(self, status: str) -> None:
        kernel = self.page.locator(f".jp-Notebook-ExecutionIndicator[data-status={status}]")
        expect(kernel).to_be_attached(timeout=PATIENCE)

    def expect_number(self, index: int, number: int | str) -> None:
        """Wait until a cell has this number; `*` means that it runs."""
        prompt = self.cell(index).locator(".jp-InputPrompt")
        expect(prompt).to_have_text(f"[{number}]:", timeout=PATIENCE)

    def begin(self, index: int) -> None:
        """Run a cell, without waiting for it."""
        self.editor(index).click()
        self.page.keyboard.press("Control+Enter")

    def run(self, index: int, number: int) -> Locator:
        """Run a cell and wait until it is done; gives its output."""
        self.begin(index)
        self.expect_number(index, number)
        self.wait_until_idle()
        return self.output(index)

    def press_until_shown(self, key: str, popup: str) -> None:
        """Press a key again until what it asks for is there, as people do.

        The page waits for a second only, which a first answer on a busy machine may take.
        """
        shown = self.page.locator(popup).locator("visible=true")
        for _ in range(10):
            self.page.keyboard.press(key)
            with suppress(AssertionError):
                expect(shown).to_be_visible(timeout=3_000)
                return
        expect(shown).to_be_visible()

    def menu(self, menu: str, item: str) -> None:
        """Choose an item of a menu."""
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()

    def tool(self, name: str) -> None:
        """Press a button of the notebook's toolbar."""
        self.page.locator(f".jp-NotebookPanel-toolbar [data-jp-item-name={name}]").click()

    def accept(self) -> None:
        """Agree to what a dialog asks."""
        self.page.locator(".jp-Dialog .jp-mod-accept").click()

    def save(self) -> None:
        """Save, and wait until it is done."""
        with self.page.expect_response(
            lambda answer: answer.request.method == "PUT" and "/api/contents/" in answer.url
        ):
            self.page.keyboard.press("Control+s")

    def picture(self, name: str, height: int) -> None:
        """Take a picture of the upper part of the page; the documents show JupyterLab."""
        if self.interface == "lab":
            picture(self.page, name, height)
