"""Files on their way between this computer and a session.

- `sources` finds what an upload takes, by the rules in `ignore`; `upload` sends it.
- `download` fetches, into the places that `places` finds safe.
- `transfer` is what both share; `remote` lists and removes.

What runs in the session is `tci_kernel.remote.files` and `tci_kernel.remote.upload`. Nothing here
knows how a command was typed or how anything is shown.
"""
