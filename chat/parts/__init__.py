"""What an agent shows beside its words: any value becomes a `Part`.

Knows no agent, no session and no model. May import `files` and what is below. Begin with `things.py`.
"""
