"""The Python API: for scripts, sessions at the service and the code that runs in them."""
