"""How a model's server is spoken to: HTTP that can be stopped at any moment, streams that cost little.

May import the ground alone. Begin with `request.py`.
"""
