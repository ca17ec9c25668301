"""What can be set of a session, under its class's name."""

from __future__ import annotations

from traitlets import Bool, Enum, Float, Int
from traitlets.config import Configurable

from tci_kernel.config.traits import Seconds


class SessionOptions(Configurable):
    """The settings of `RemoteSession`."""

    on_expiry = Enum(
        ("error", "replay", "migrate"),
        default_value="error",
        help="What happens when a cell meets an expired session: 'error' fails the cell and says "
        "what is lost; 'replay' runs the session's successful cells again in a new session, and "
        "then the cell; 'migrate' lets it not come to that: shortly before, once no cell runs, the "
        "notebook moves to a new session with all that it has. An open notebook so buys one "
        "session after the other.",
    ).tag(config=True)

    autosave_minutes = Float(
        0.0,
        min=0.0,
        help="Minutes after which the session is saved into 'autosave.tci' beside the notebook, "
        "once no cell runs and if any has run since; only what has changed travels. 0: never.",
    ).tag(config=True)

    session_price = Float(
        None,
        min=0.0,
        allow_none=True,
        help="What one session costs, in any currency: `%tci status` then says what those of this "
        "notebook have cost. No price is assumed.",
    ).tag(config=True)

    retry_for = Float(
        60.0,
        min=0.0,
        help="Seconds for which requests are made again while the service can't be reached: live "
        "all, since none has its effect twice; directly those of cells that surely did not run (no "
        "connection; the service is rate limited). 0: never.",
    ).tag(config=True)

    cell_timeout = Seconds(
        None,
        allow_none=True,
        help="Seconds after which a cell fails; none by default. One that runs live is interrupted "
        "then. One that runs directly may go on: the service documents no way to stop code.",
    ).tag(config=True)

    show_progress = Bool(
        True,
        help="Show for how long a cell runs, and why it waits, in a notice that disappears when "
        "the output comes. Never shown to clients that can't be asked for input.",
    ).tag(config=True)

    use_helper = Bool(
        True,
        help="Send code of the kernel's own into each session when it begins: what runs cells "
        "live, and where they run directly, what brings back what the service's answers lose "
        "(metadata, updates of displays, the numbers of cells, completion, inspection). If not, "
        "cells run directly.",
    ).tag(config=True)

    transfer_size = Int(
        4_000_000,
        min=65_536,
        help="Bytes of files in one request, or in its answer. A service that finds requests too "
        "large (HTTP 413) may take smaller ones.",
    ).tag(config=True)
