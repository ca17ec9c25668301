"""What becomes of a notebook's cells, whoever shows them: the kernel, or the user's own IPython.

- `dispatch` has what a cell asks for done, in its order; `hints` adds to errors what helps here.
- `payloads` is what a cell may have its client do when it ends.
- `upkeep` looks after the session between cells.
"""
