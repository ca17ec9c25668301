"""Programs that run inside the remote interpreter: sent as text, importing nothing of ours."""
