"""Protocol 1: what a frame may say, in both directions. Pure: no I/O, no database, no clock.

May import `exceptions` alone. Begin with `events.py`; `docs/protocol.md` is the contract.
"""
