"""A local service that speaks the TCI contract, over real Jupyter kernels.

`server.LocalServer` is the way in: embedded in a process or alone, as `tci-kernel serve`.
"""
