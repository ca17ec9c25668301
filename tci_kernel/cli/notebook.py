"""`tci-kernel run` of a notebook, with nbclient where that is installed."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import click
from traitlets.config import Config

from tci_kernel.cli.common import CATALOGUE, FAILED, INTERRUPTED, OK, client
from tci_kernel.core.errors import ConfigurationError, MissingKey, UsageError


def run(path: Path, output: Path | None, *, local: bool, session_id: str) -> int:
    """Execute a notebook, and write what came of it into another, also if it breaks off.

    Args:
        path: the notebook.
        output: the file to write; None for one beside the notebook, which must not be there yet.
        local: whether it runs on the kernel tci-local.
        session_id: an existing session to run it in; empty for one of its own.

    Returns:
        the status to end with.

    Raises:
        UsageError: it can't be read, or what comes of it not be written; nothing has run.
        ConfigurationError: nbclient, the kernel or the key is missing, or a setting is wrong.
    """
    nbformat: Any
    try:
        import nbformat  # noqa: PLC0415 - optional
        from nbclient import NotebookClient  # noqa: PLC0415 - optional
    except ImportError as error:
        raise ConfigurationError(
            "A notebook takes nbclient to run.", advice="Run 'pip install nbclient'."
        ) from error
    notebook = _read(nbformat, path)
    target = _target(path, output)
    settings = CATALOGUE.load()
    if not local:
        asyncio.run(_check_key(settings))
    executor = NotebookClient(
        notebook,
        kernel_name="tci-local" if local else "tci",
        extra_arguments=[
            "--log-level=ERROR",  # what is printed is about the notebook
            *([f"--session={session_id}"] if session_id else []),
        ],
        config=_config(),
        resources={"metadata": {"path": str(path.parent)}},
    )
    status = asyncio.run(_execute(executor))
    nbformat.write(notebook, target)
    click.echo(f"Wrote {target}")
    return status


def _read(nbformat: Any, path: Path) -> Any:
    """A notebook, in the present format.

    Raises:
        UsageError: there is none.
    """
    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from error
    except (ValueError, TypeError, AttributeError, LookupError, nbformat.ValidationError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path} can't be read as a notebook: {reason}") from error


def _target(path: Path, output: Path | None) -> Path:
    """The file to write.

    Raises:
        UsageError: it can't be, or must not be.
    """
    target = output or path.with_name(f"{path.stem}-executed.ipynb")
    if output is None and target.exists():
        raise UsageError(f"{target} exists.", advice="Remove it, or name a file with --output.")
    if not target.parent.is_dir():
        raise UsageError(f"There is no directory {target.parent} to write {target.name} into.")
    return target


async def _check_key(settings: Config) -> None:
    """See to it that there is a key, for which nobody can be asked.

    Raises:
        MissingKey: there is none.
    """
    service = await client(settings)
    await service.aclose()
    if not service.api_key:
        raise MissingKey


async def _execute(executor: Any) -> int:
    """Execute a notebook, and say what breaks it off; gives the status to end with."""
    from jupyter_client.kernelspec import NoSuchKernel  # noqa: PLC0415 - slow to import
    from nbclient.exceptions import CellExecutionError, DeadKernelError  # noqa: PLC0415 - optional

    execution = asyncio.create_task(executor.async_execute())

    def take_over(**_: object) -> None:
        # nbclient's own way to stop leaves the kernel no time to end its session.
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, execution.cancel)

    executor.on_notebook_start = take_over
    try:
        await execution
    except NoSuchKernel as error:
        raise ConfigurationError(
            f"There is no kernel {error.name!r}.", advice="Run 'tci-kernel install'."
        ) from error
    except (CellExecutionError, DeadKernelError, asyncio.CancelledError) as error:
        # nbclient takes a cell that is cancelled for one whose kernel has died.
        is_interrupted = execution.cancelling() > 0
        click.echo("Interrupted." if is_interrupted else str(error).strip(), err=True)
        return INTERRUPTED if is_interrupted else FAILED
    return OK


def _config() -> Config:
    """How the kernel is spoken to: encrypted where that can be had, else newer ones warn."""
    from jupyter_client.manager import KernelManager  # noqa: PLC0415 - slow to import

    has_encryption = "transport_encryption" in KernelManager.class_trait_names()
    return Config(KernelManager={"transport_encryption": "auto"} if has_encryption else {})
