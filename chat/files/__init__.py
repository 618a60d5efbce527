"""Files that people and agents give each other: where they lie, what they are by their content, how they are called.

Knows no model and no view. May import `wire` and the ground. Begin with `storage.py`.
"""
