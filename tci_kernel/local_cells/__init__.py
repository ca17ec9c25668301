"""The IPython in the kernel's own process, in which `%%local` cells run.

- `shell` is what the rest of the kernel sees of it: it runs cells, and answers about their names.
- `ipython` is IPython's shell, with everything that it shows turned into events.
- `outlet` is the way of these events out of running code.

Nothing here is imported before a cell asks for it.
"""
