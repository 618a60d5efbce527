"""From an entry of `CHAT_AGENTS` to a Langroid task that is ready to run.

The only package, with `demo`, that imports Langroid; this file and `context.py` do not. May import `models` and what is
below. Begin with `registry.py`; `langroid/` watches and steers what runs, `provider/` speaks to a model's server.
"""

from chat.agents.context import AgentContext  # the public paths
from chat.observer import Stopped

__all__ = ["AgentContext", "Stopped"]
