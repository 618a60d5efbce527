"""Text to safe HTML. Pure; any thread.

Imports nothing of the chat. Begin with `stream.py`.
"""
