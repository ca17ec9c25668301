"""The `%tci` lines of a cell, which the kernel handles itself.

- `run` runs a line and names what is wrong with it; `completion` completes it.
- `group` is what commands join and are called with.
- `report` is how they show what they found: short text, and a tidy table.
- `progress` shows how far a transfer is; `parameters` has the types of what names something.
- Each other module holds commands: `sessions`, `settings`, `files`, `variables`.

Nothing here is imported before a cell has such a line.
"""
