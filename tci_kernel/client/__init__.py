"""The service over HTTP. Knows nothing of Jupyter."""
