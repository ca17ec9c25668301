"""The direct way: a cell's code is the request, its outputs are the answer.

- `runner` runs cells so; `sending` is a request's way there, `answers` the way back.
- `helper` is a program in the session that brings along what the answers lose.
- `programs` reads the answers of the kernel's own programs; `tracebacks` reads the text of errors.
"""
