"""The overrides: what a Langroid agent does is told to an `Observer`, and what the user says comes from it.

May import `agents/provider` and what is below. Begin with `turns.py`.
"""
