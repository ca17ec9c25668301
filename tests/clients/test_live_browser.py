"""What only a kernel beside the page was thought to do: live output, widgets, input, debugging."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import nbformat
import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.clients.conftest import address
from tests.clients.jupyter_server import JupyterServer, notebook_for, serving_jupyter
from tests.clients.notebook_page import SLIDER_BAR, NotebookPage
from tests.clients.pictures import Recording
from tests.support.servers import ServerProcess

KERNELS = ("tci-local", "tci")

SLIDER = """
import ipywidgets as widgets
slider, label = widgets.IntSlider(max=10, description="Size"), widgets.Label("untouched")
slider.observe(lambda change: setattr(label, "value", f"size {change.new}"), "value")
display(slider, label)
"""

BAR = """
from tqdm.auto import tqdm
for step in tqdm(range(10), desc="Training", mininterval=0):
    train(step)
"""


STEP = """
import os, time
def train(step):
    while not os.path.exists({seen!r} + str(step)):
        time.sleep(0.01)
"""


def wait_for(path: Path) -> str:
    """Code that waits until a file is there."""
    return f"import os, time\nwhile not os.path.exists({str(path)!r}): time.sleep(0.01)"


def kernel_process(jupyter: JupyterServer, name: str) -> psutil.Process:
    """The process of a notebook's kernel."""
    sessions = httpx.get(jupyter.address("api/sessions")).json()
    (kernel_id,) = [one["kernel"]["id"] for one in sessions if one["path"] == name]
    (found,) = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(f"kernel-{kernel_id}.json" in word for word in process.info["cmdline"] or ())
    ]
    return found


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_ticks_are_seen_while_a_cell_runs(
    jupyter: JupyterServer, page: Page, interface: str, kernel: str
) -> None:
    name = f"ticks-{interface}-{kernel}.ipynb"
    seen = jupyter.folder / f"{name}.seen"
    jupyter.write(name, kernel, f"print('tick 1')\n{wait_for(seen)}\nprint('tick 2')")
    notebook = NotebookPage.open(page, jupyter, interface, name)
    notebook.begin(0)
    expect(notebook.output(0)).to_contain_text("tick 1")
    notebook.expect_number(0, "*")
    seen.touch()
    notebook.expect_number(0, 1)
    expect(notebook.output(0)).to_contain_text("tick 1\ntick 2", use_inner_text=True)
    notebook.save()
    (output,) = jupyter.read(name).cells[0].outputs
    assert output.text == "tick 1\ntick 2\n"


def test_a_cell_is_stopped_and_keeps_what_it_has_printed(
    jupyter: JupyterServer, page: Page, interface: str, kernel: str
) -> None:
    name = f"stopped-{interface}-{kernel}.ipynb"
    jupyter.write(name, kernel, "x = 6\nprint('begun')\nimport time\ntime.sleep(60)", "x * 7")
    notebook = NotebookPage.open(page, jupyter, interface, name)
    notebook.begin(0)
    expect(notebook.output(0)).to_contain_text("begun")
    notebook.tool("interrupt")
    notebook.expect_number(0, 1)
    expect(notebook.output(0)).to_contain_text("KeyboardInterrupt")
    expect(notebook.run(1, 2)).to_contain_text("42")
    notebook.save()
    outputs = jupyter.read(name).cells[0].outputs
    assert [output.output_type for output in outputs] == ["stream", "error"]


def test_a_slider_and_then_a_bar_move(jupyter: JupyterServer, page: Page, kernel: str) -> None:
    """The moving picture of the documents: each step is seen before the next one is made."""
    name = f"bar-{kernel}.ipynb"
    seen = str(jupyter.folder / f"{name}.seen")
    jupyter.write(name, kernel, STEP.format(seen=seen), SLIDER.strip(), BAR.strip())
    notebook = NotebookPage.open(page, jupyter, "lab", name)
    notebook.run(0, 1)
    page.keyboard.press("Escape")
    page.keyboard.type("dd")  # that cell is not for the picture
    expect(notebook.cells).to_have_count(2)
    recording = Recording(page, 440)
    notebook.editor(0).click()
    recording.frame(800)
    notebook.run(0, 2)
    recording.frame(800)
    notebook.output(0).locator(".noUi-handle").focus()
    for size in range(1, 8):
        page.keyboard.press("ArrowRight")
        expect(notebook.output(0).locator(".widget-label").last).to_have_text(f"size {size}")
        recording.frame(200)
    notebook.begin(1)
    for step in range(10):
        expect(notebook.output(1)).to_contain_text(f"{step}0%" if step else "0%")
        notebook.expect_number(1, "*")
        recording.frame(300)
        Path(f"{seen}{step}").touch()
    notebook.expect_number(1, 3)
    expect(notebook.output(1)).to_contain_text("100%")
    expect(notebook.output(1)).to_contain_text("10/10")
    expect(notebook.output(1).locator(".progress-bar-success")).to_be_attached()
    recording.frame(2_500)
    recording.save("live")


def test_a_slider_moves_a_label_and_is_moved(
    jupyter: JupyterServer, page: Page, interface: str, kernel: str
) -> None:
    name = f"slider-{interface}-{kernel}.ipynb"
    seen = jupyter.folder / f"{name}.seen"
    jupyter.write(name, kernel, SLIDER, "slider.value = 7", wait_for(seen))
    notebook = NotebookPage.open(page, jupyter, interface, name)
    notebook.run(0, 1)
    bar = notebook.output(0).locator(SLIDER_BAR)
    readout = notebook.output(0).locator(".widget-readout")
    label = notebook.output(0).locator(".widget-label").last
    expect(label).to_have_text("untouched")
    bar.click()
    expect(label).to_have_text("size 5")
    notebook.run(1, 2)
    expect(readout).to_have_text("7")
    expect(label).to_have_text("size 7")
    # What is moved while a cell runs waits for its end, as on ipykernel: the page sends it there.
    notebook.begin(2)
    notebook.expect_number(2, "*")
    bar.click()
    expect(readout).to_have_text("5")
    notebook.expect_number(2, "*")
    seen.touch()
    notebook.expect_number(2, 3)
    expect(label).to_have_text("size 5")


def test_a_cell_asks_and_reads_what_is_typed(
    jupyter: JupyterServer, page: Page, interface: str, kernel: str
) -> None:
    name = f"input-{interface}-{kernel}.ipynb"
    code = "import getpass\nname = input('Who? ')\nprint(name, len(getpass.getpass('Secret: ')))"
    jupyter.write(name, kernel, code)
    notebook = NotebookPage.open(page, jupyter, interface, name)
    notebook.begin(0)
    for prompt, kind, text in (("Who?", "text", "Ada"), ("Secret:", "password", "hidden words")):
        expect(notebook.output(0).locator(".jp-Stdin-prompt").last).to_contain_text(prompt)
        box = notebook.output(0).locator(".jp-Stdin-input").last
        expect(box).to_have_js_property("type", kind)
        box.fill(text)
        box.press("Enter")
    notebook.expect_number(0, 1)
    expect(notebook.output(0)).to_contain_text("Ada 12")
    expect(notebook.output(0)).not_to_contain_text("hidden")


def test_the_debugger_stops_at_a_breakpoint_and_shows_variables(
    jupyter: JupyterServer, page: Page, kernel: str
) -> None:
    name = f"debugger-{kernel}.ipynb"
    code = "total = 0\nfor step in (20, 22):\n    total += step\nprint('sum', total)"
    jupyter.write(name, kernel, "begun = True", code)
    notebook = NotebookPage.open(page, jupyter, "lab", name)
    notebook.run(0, 1)
    bug = page.locator(".jp-DebuggerBugButton")
    bug.click()
    expect(bug).to_have_attribute("aria-pressed", "true")
    gutter = notebook.cell(1).locator(".cm-breakpoint-gutter .cm-gutterElement")
    gutter.nth(4).click()  # before the first line there is an invisible one
    expect(gutter.nth(4).locator(".cm-breakpoint-icon")).to_be_visible()
    notebook.begin(1)
    frame = page.locator(".jp-DebuggerCallstackFrame").first
    expect(frame).to_contain_text(":4")
    variables = page.locator(".jp-DebuggerVariables")
    for shown in (r"total\s*42", r"step\s*22", r"begun\s*True"):
        expect(variables).to_have_text(re.compile(shown), use_inner_text=True)
    notebook.expect_number(1, "*")
    page.get_by_role("button", name="Continue (F9)").click()
    notebook.expect_number(1, 2)
    expect(notebook.output(1)).to_contain_text("sum 42")


def test_what_a_killed_kernel_ran_is_shown_where_its_session_is_joined(
    jupyter: JupyterServer, page: Page
) -> None:
    killed, seen = jupyter.folder / "killed", jupyter.folder / "killed.seen"
    begin = "begun = 42\nimport os\nprint(os.path.basename(os.getcwd()))"
    long = f"print('before')\n{wait_for(killed)}\nprint('alone')\n{wait_for(seen)}\nprint('after')"
    jupyter.write("killed.ipynb", "tci", begin, long)
    notebook = NotebookPage.open(page, jupyter, "lab", "killed.ipynb")
    session = notebook.run(0, 1).inner_text().strip()
    assert re.fullmatch(r"ses_\w+", session)
    notebook.begin(1)
    expect(notebook.output(1)).to_contain_text("before")
    page.close()

    kernel_process(jupyter, "killed.ipynb").kill()
    killed.touch()
    jupyter.write("joined.ipynb", "tci", f"%tci attach {session}", "begun")
    window = page.context.new_page()
    joined = NotebookPage.open(window, jupyter, "lab", "joined.ipynb")
    joined.begin(0)
    expect(joined.output(0)).to_contain_text("alone")
    joined.expect_number(0, "*")
    seen.touch()
    expect(joined.output(0)).to_contain_text("after")
    joined.wait_until_idle()
    expect(joined.run(1, 3)).to_contain_text("42")


def test_voila_serves_a_dashboard_whose_slider_works(
    server: ServerProcess, tmp_path: Path, page: Page, kernel: str
) -> None:
    path = tmp_path / "dashboard.ipynb"
    nbformat.write(notebook_for(kernel, SLIDER, "print('slider at', slider.value)"), path)
    command = ("voila", str(path), "--no-browser")
    with serving_jupyter(*command, home=tmp_path, environment=address(server)) as where:
        page.goto(f"http://{where}/")
        expect(page.locator("body")).to_contain_text("slider at 0")
        page.locator(SLIDER_BAR).click()
        expect(page.locator(".widget-label").last).to_have_text("size 5")
