"""What a user's command does to a conversation: each is one short transaction.

Whoever calls it sends the records and wakes the agent. May import `models` and what is below. Begin with `send.py`.
"""
