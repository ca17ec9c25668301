"""The IPython in the kernel's own process, in which `%%local` cells run.

- `shell` is what the rest of the kernel sees of it: it runs cells, and answers about their names.
- `names` are the variables in it, or in the user's own IPython where cells run in that.
- `ipython` is IPython's shell, in which everything that it shows is published.
- `publisher` is the way of this out of running code.

Nothing here is imported before a cell asks for it.
"""
