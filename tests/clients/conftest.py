"""A browser, and the Jupyter servers that it looks at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.clients.jupyter_server import JupyterServer, jupyter_server
from tests.clients.notebook_page import PATIENCE
from tests.clients.pictures import VIEW
from tests.support.programs import needed
from tests.support.servers import ServerProcess

# They take minutes and hundreds of megabytes: `make clients-more` names them.
collect_ignore = ["more"]

INTERFACES = ("lab", "notebook")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = needed("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=VIEW)
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def jupyter(
    server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterServer]:
    """JupyterLab, whose kernel `tci` uses the shared local server."""
    with jupyter_server(tmp_path_factory.mktemp("jupyter"), **address(server)) as started:
        yield started


@pytest.fixture(scope="module")
def direct(
    server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterServer]:
    """JupyterLab, whose kernels run each cell as one request."""
    home = tmp_path_factory.mktemp("jupyter")
    configuration = home / "jupyter_config_dir"
    configuration.mkdir()
    setting = 'get_config().TCIKernel.execution = "direct"\n'
    (configuration / "tci_kernel_config.py").write_text(setting)
    with jupyter_server(home, **address(server)) as started:
        yield started


@pytest.fixture(params=INTERFACES)
def interface(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def address(server: ServerProcess) -> dict[str, str]:
    """The environment in which the kernel `tci` uses a server."""
    return {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
