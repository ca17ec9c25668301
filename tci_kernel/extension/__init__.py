"""`%%tci` and `%tci` in the user's own IPython, in a notebook or a terminal.

- `magics` is what `%load_ext tci_kernel` adds to the IPython; `arguments` reads their lines, and
  `settings` what is set.
- `notebook` runs cells in the session, as the kernel does, on an event loop of its own.
- `worker` is the thread of that loop, and lets the thread that waits for a cell work for it.
- `screen` shows what comes of a cell in the IPython, and asks there; `failure` is its error.
"""
