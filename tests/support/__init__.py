"""What the tests share: real servers, real kernels, and a server that misbehaves by script."""
