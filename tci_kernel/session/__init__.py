"""One session at the service, and the ways in which its cells run."""
