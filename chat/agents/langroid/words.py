"""The words by which a text is searched for, in small letters, without endings; its sentences. Pure."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")
_ENDINGS = ("ing", "es", "ed", "s")
SHORTEST_STEM = 3
STOP_WORDS = frozenset(
    "a an and are as at be been but by can did do does for from had has have he her his how i if in is it its me my no"
    " not of on or our she so that the their them then there these they this to was we were what when where which who"
    " why will with would you your".split()
)


def words_of(text: str) -> list[str]:
    return [stem(word) for word in _WORD.findall(text.lower()) if word not in STOP_WORDS]


def stem(word: str) -> str:
    """A word without its ending, so that `cats` is found by `cat`."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            return word.removesuffix(ending)
    return word


def sentences_of(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE_END.split(text.strip()) if sentence] or [text]
