"""The running agent of a conversation, and what becomes of what it does.

The only package that crosses threads: the agent's thread on one side, the event loop on the other. May import
`actions` and what is below; `agents` only inside the function that starts the agent's thread. Begin with `session.py`.
"""
