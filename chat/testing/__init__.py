"""Test an agent without a page, a model or a network: a pytest plugin, and the same scripted model over HTTP.

    plugin.py    the fixture `chat_agent`
    agent.py     what a test does with the agent: `say`, `approve`, `stop`
    script.py    what the model says: `say`, `call`
    model.py     the same as a server: `python -m chat.testing.model script.yaml`

Importing it loads neither Django's apps nor Langroid. `docs/testing-agents.md` tells how it is used.
"""

from chat.testing.script import Step, call, say

__all__ = ["Step", "call", "say"]
