"""What a word is, what is looked for, and which piece of a text is shown."""

from __future__ import annotations

import pytest

from chat.search.words import PASSAGE_CHARS, Phrase, passage_of, phrases_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("snake_case and foo.bar", ["snake", "case", "and", "foo", "bar"]),
        ("Übergröße café", ["ubergrosse", "cafe"]),
        ("会議室abc", ["会", "議", "室", "abc"]),
        ("x1 2nd", ["x1", "2nd"]),
        ("a" * 200, ["a" * 80]),
    ],
)
def test_words_have_neither_case_nor_accents(text, words):
    assert words_of(text) == words


def test_all_but_quoted_phrases_may_go_on():
    assert phrases_of('Foo-ba "as is" x') == [
        Phrase(words=("foo", "ba"), is_prefix=True),
        Phrase(words=("as", "is"), is_prefix=False),
        Phrase(words=("x",), is_prefix=False),
    ]
    assert phrases_of(' " -- ') == []


def test_a_passage_marks_what_was_found_and_is_cut_around_it():
    text = "lead " * 100 + "the Café of\nSmolensk " + "tail " * 100

    passage = passage_of(text, phrases_of("cafe smol"))

    assert [piece for piece, is_hit in passage if is_hit] == ["Café", "Smolensk"]
    shown = "".join(piece for piece, _ in passage)
    assert "Café of Smolensk" in shown and shown.startswith("…lead") and shown.endswith("…")
    assert len(shown) <= PASSAGE_CHARS + 2


def test_a_passage_of_a_phrase_without_spaces():
    assert ("議室", True) in passage_of("明日の会議室は", phrases_of("議室"))


def test_what_stands_nowhere_gives_the_beginning():
    assert passage_of("one two", phrases_of("three")) == [("one two", False)]
