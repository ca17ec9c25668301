"""Jupyter requests in, Jupyter messages out. Knows no HTTP."""
