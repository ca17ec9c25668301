"""What can be set of where a notebook's cells run, under the name of whoever runs them."""

from __future__ import annotations

from traitlets import Bool, Enum
from traitlets.config import Configurable

from tci_kernel.config.traits import EnvironmentText


class NotebookOptions(Configurable):
    """The settings of a notebook's cells."""

    local = Bool(
        False,
        help="Run the cells in a local server embedded in the kernel: no key, no network.",
    ).tag(config=True)

    session_id = EnvironmentText(
        "TCI_SESSION_ID",
        help="An existing session to run the cells in, instead of a new one.",
    ).tag(config=True)

    execution = Enum(
        ("auto", "live", "direct"),
        default_value="auto",
        help="How cells are run. 'live': in an interpreter that is started in the session, whose "
        "messages come while they run; 'direct': each as one request, its outputs all at its end; "
        "'auto': live where that can be had.",
    ).tag(config=True)
