"""What is mended of Daphne, Channels and Django. `docs/mends.md` lists each, with its reason.

Imports nothing of the chat but `conf`. Each module says what it mends; the mends of Langroid stand with `agents`.
"""
