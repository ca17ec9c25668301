"""Files and variables on their way between this computer and a session.

- `sources` finds what an upload takes, by the rules in `ignore`; `upload` sends it.
- `sync` finds what code names, which the kernel then sends by itself.
- `download` fetches, into the paths that `destination` finds safe.
- `variables` moves variables by value, both ways.
- `transfer` is what these share.
- `listing` lists and removes; `names` completes.

What runs in the session is in `tci_kernel.remote`. Nothing here knows how a command was typed or
how anything is shown.
"""
