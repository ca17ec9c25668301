"""Jupyter's own test suite for kernels, on both kernels, and on plain Python."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import jupyter_kernel_test

from tests.support.interpreters import OWN, PLAIN, interpreter
from tests.support.waiting import until


class Conformance(jupyter_kernel_test.KernelTests):  # type: ignore[misc]
    """Every test of the suite, with every attribute set."""

    __test__ = False

    completion_samples = [  # noqa: RUF012 - the suite's own form
        {"text": "zi", "matches": {"zip"}},
        {"text": "import itertools; itertools.cyc", "matches": {"cycle"}},
    ]
    complete_code_samples = ["1", "print('x')", "%time 1", "!ls"]  # noqa: RUF012
    incomplete_code_samples = ["print('''x", "for i in x:"]  # noqa: RUF012
    invalid_code_samples = ["import = 7q", "x = = 1"]  # noqa: RUF012
    code_page_something = "zip?"
    code_history_pattern = "6 *"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('oops', file=sys.stderr)"
    code_generate_error = "raise ValueError('on purpose')"
    code_execute_result = [  # noqa: RUF012 - the suite's own form
        {"code": "6 * 7", "result": "42"},
        {"code": "'a' + 'b'", "result": "'ab'"},
        {"code": "from IPython.display import HTML; HTML('<b>x</b>')", "mime": "text/html"},
    ]
    code_display_data = [  # noqa: RUF012
        {"code": "from IPython.display import *; display(HTML('<b>x</b>'))", "mime": "text/html"},
        {"code": "display(Math('x^2'))", "mime": "text/latex"},
        {"code": "display(SVG('<svg xmlns=\"urn:x\"/>'))", "mime": "image/svg+xml"},
        {"code": "display(JSON({'a': 1}))", "mime": "application/json"},
        {"code": "display(Markdown('*x*'))", "mime": "text/markdown"},
    ]

    @classmethod
    def setUpClass(cls) -> None:
        """The suite searches the history, which is to have its own cells alone."""
        place = cls.enterClassContext(TemporaryDirectory(prefix="h"))
        cls.enterClassContext(patch.dict(os.environ, JUPYTER_DATA_DIR=place))
        super().setUpClass()

    def test_completion(self) -> None:
        """As in the suite, once completion is loaded: a slow answer is an empty one."""

        def is_loaded() -> bool:
            self.kc.complete("zi")
            return "zip" in self.get_non_kernel_info_reply()["content"]["matches"]

        until(is_loaded, "a completion")
        super().test_completion()

    def test_inspect(self) -> None:
        """As in the suite, once what it needs is loaded: a slow answer is an empty one."""

        def is_loaded() -> bool:
            self.kc.inspect("zip")
            found: bool = self.get_non_kernel_info_reply()["content"]["found"]
            return found

        until(is_loaded, "an inspection")
        super().test_inspect()


class TestLocalKernel(Conformance):
    """On `tci-local`."""

    __test__ = True
    kernel_name = "tci-local"


class TestRemoteKernel(Conformance):
    """On `tci`, with a local server as its service."""

    __test__ = True
    kernel_name = "tci"
    interpreter = OWN
    execution = "live"

    @classmethod
    def setUpClass(cls) -> None:
        place = Path(cls.enterClassContext(TemporaryDirectory()))
        server = cls.enterClassContext(interpreter(cls.interpreter, place, place)).server
        setting = f"get_config().TCIKernel.execution = {cls.execution!r}\n"
        (place / "tci_kernel_config.py").write_text(setting)
        # The suite starts its kernel with this process's environment.
        cls.enterClassContext(
            patch.dict(
                os.environ,
                JUPYTER_CONFIG_DIR=str(place),
                TOGETHER_BASE_URL=server.base_url,
                TOGETHER_API_KEY=server.token,
            )
        )
        super().setUpClass()


class TestPlainPython(TestRemoteKernel):
    """On `tci`, with a service that runs plain Python: what that can give."""

    interpreter = PLAIN
    execution = "direct"
    code_execute_result = [  # noqa: RUF012
        {"code": "6 * 7", "result": "42"},
        {"code": "'a' + 'b'", "result": "'ab'"},
        {"code": "print", "result": "<built-in function print>"},
    ]
    # It has neither displays nor a pager.
    test_display_data = test_clear_output = test_pager = None
