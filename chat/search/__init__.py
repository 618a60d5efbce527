"""Full text over an owner's conversations: what is written is found again by its words.

May import `models` and what is below. Begin with `find.py`; `index.py` is the two databases' indexes behind one face,
`words.py` says what a word is.
"""
