"""Measurements side by side: the product and what it is compared with, in one run."""
