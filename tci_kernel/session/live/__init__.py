"""The live way: a real interpreter in the session, whose messages exchanges carry.

- `runner` runs cells so; `pending` is what it waits for, `watch` says when it asks without a cell.
- `link` makes exchanges with the relay in the session, and makes them again when the network fails;
  `exchange` is what one consists of.
- `automatic` goes the live way where it is to be had, else the direct one.
"""
