"""The kernel's command line: what is wrong in it is sifted out."""

from __future__ import annotations

import pytest

from tci_kernel.config.arguments import sift
from tci_kernel.kernel.app import TCIKernelApp

KERNELSPEC = ["-f", "/run/kernel-1.json"]


def sifted(*arguments: str) -> tuple[list[str], list[str]]:
    app = TCIKernelApp()
    return sift(arguments, app.aliases, app.flags, app.settings.catalogue)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--local"],
        ["--session", "ses_1"],
        ["--session=ses_1"],
        ["--RemoteSession.retry_for=3"],
        ["--RemoteSession.retry_for", "3"],
        ["--log-level=DEBUG"],
        ["--TCIKernelApp.log_level=10"],
        ["--IPKernelApp.extensions=a", "--IPKernelApp.extensions=b"],
        ["--Session.key=x", "--transport=ipc", "--ip=127.0.0.1", "--hb=9001"],
    ],
)
def test_what_is_right_stays(arguments: list[str]) -> None:
    assert sifted(*KERNELSPEC, *arguments) == ([*KERNELSPEC, *arguments], [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lcoal"], "there is no option '--lcoal'. Did you mean '--local'?"),
        (["--nothing=1"], "there is no option '--nothing'."),
        (["--local=yes"], "--local takes no value."),
        (["--session"], "--session needs a value."),
        (["--session", "--local"], "--session needs a value."),
        (
            ["--TCIClient.bse_url=x"],
            "there is no setting 'TCIClient.bse_url'. Did you mean 'TCIClient.base_url'?",
        ),
        (["--TCIClient.connect_timeout", "soon"], "not the str 'soon'."),
        (["--RemoteSession.retry_for"], "--RemoteSession.retry_for needs a value."),
        (["--log-level=loud"], "not the str 'loud'."),
    ],
)
def test_what_is_wrong_is_said_and_left_out(arguments: list[str], said: str) -> None:
    good, (problem,) = sifted(*KERNELSPEC, *arguments)

    assert good == [*KERNELSPEC, *(["--local"] if "--local" in arguments else [])]
    assert problem.startswith("command line: ")
    assert problem.endswith(said)
