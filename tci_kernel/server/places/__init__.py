"""Where interpreters run: the interface, and what implements it."""
