"""A local service that speaks the TCI contract, over real Jupyter kernels.

`server.LocalServer` is the way in: embedded in a process or alone, as `tci-kernel serve`.
"""

# Seconds that a session lives where nothing else is said: the service's documented 60 minutes.
SESSION_LIFETIME = 3600.0

# How many sessions may live at once; each is a process of some 60 MB.
MAX_SESSIONS = 64
