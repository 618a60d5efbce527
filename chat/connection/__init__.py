"""What one browser tab may see, has, and lacks.

A `Feed` is a connection's cursor over its conversation: live events pass while it keeps up, and what it missed comes
from the database and the agent's session. May import `cluster` and what is below. Begin with `feed.py`.
"""
