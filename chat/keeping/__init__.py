"""How long things stay, how they go, and how they leave as files.

May import `live` and what is below. Begin with `retention.py`.
"""
