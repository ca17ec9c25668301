"""The names in a session that begin with what was typed: of paths, and of variables."""

from __future__ import annotations

from tci_kernel.session.session import RemoteSession

# Seconds that the session has for it: somebody is typing.
LIMIT = 1.0


async def path_names(session: RemoteSession, prefix: str) -> list[str]:
    """The paths in a session that begin so; directories end in a slash.

    None where there is no session, or it does not answer in time.
    """
    return await _names(session, "paths", prefix)


async def variable_names(session: RemoteSession, prefix: str) -> list[str]:
    """The names of variables in a session that begin so.

    None where there is no session, or it does not answer in time.
    """
    return await _names(session, "variables", prefix)


async def _names(session: RemoteSession, operation: str, prefix: str) -> list[str]:
    answer = await session.try_call("names", LIMIT, operation=operation, prefix=prefix)
    return [name for name in answer if isinstance(name, str)] if isinstance(answer, list) else []
