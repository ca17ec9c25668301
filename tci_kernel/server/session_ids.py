"""The ids of sessions."""

from __future__ import annotations

import secrets
import string

# The form of the service's ids: `ses_` and 21 alphanumerics.
_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 21


def new_session_id() -> str:
    """An id that nobody can guess."""
    return "ses_" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
