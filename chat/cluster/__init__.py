"""Which process runs which conversation, and what processes say to one another.

`process.here` is this server process: its agents, its connections, its lease. May import `live` and what is below.
Begin with `process.py`.
"""
