"""Measurements side by side: the kernel and what it is compared with, in one run."""
