"""One session at the service: begun, expired, replayed; and the ways in which its cells run.

- `session` is what the rest of the package sees of it; `state` is what is known of the session.
- `runner` is the protocol that each way of running cells implements.
- `direct` is such a way: a cell's code is the request, its outputs are the answer.
"""
