"""HTTP: the chat page, and the JSON, files and health beside the socket.

Sync views, checked by owner, each a few lines over `models`, `actions` and `keeping`. May import everything below the
top floor. Begin with `page.py` (what a browser gets first), then `api.py`.
"""
