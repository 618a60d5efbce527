"""The admin: what runs, what ran and what it cost, and, for those who may, what was said.

One module for each model, `tables.py` (lists as files) and `transcript.py` (a conversation to read). May import
everything below the top floor. Begin with `sessions.py`.
"""

from chat.admin import attachments, audit, conversations, feedback, processes, sessions, shares  # noqa: F401  (autodiscovery imports this package alone)
