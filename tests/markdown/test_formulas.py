"""Formulas: which text is one, and that it becomes MathML and nothing else."""

from __future__ import annotations

import pytest

from chat.markdown.stream import render
from tests.outline import Outline


@pytest.mark.parametrize(
    "text",
    [
        *("$a+1$", "\\(a+1\\)", "$$a+1$$", "\\[a+1\\]", "($a+1$)", "**$a+1$**", "# $a+1$", "| $a+1$ |\n|-|"),
        *("x $$a+1$$ y", "x \\[a+1\\] y", "line\n\\[a+1\\]\nline", "line\n$$\na+1\n$$", "$$\na\n\n+1\n$$"),
        *("- $$\n  a+1\n  $$", "> \\[\n> a+1\n> \\]"),
    ],
)
def test_every_notation_of_a_formula_becomes_mathml(text):
    outline = Outline(render(text))
    assert "math" in outline.tags
    assert [tag for tag in outline.tags if tag in ("mi", "mo", "mn")] == ["mi", "mo", "mn"]
    assert not {"$", "\\"} & set(outline.text)


@pytest.mark.parametrize(
    "text",
    [
        *("$5 and $6", "US$5 and US$6", "$5/$6", "$HOME/$USER/x", "a $ b $ c", "\\$a$", "$a\\$", "\\\\(a\\\\)"),
        *("`$a$`", "$a `b$ c`", "```\n$$\na\n$$\n```", "    $$a$$", "$$", "$$$$", "$$ a\n\nb"),
        *("$$" + "x" * 5000 + "$$", "- $$\n\nx\n\n$$"),
    ],
)
def test_money_shell_variables_and_code_are_no_formulas(text):
    assert "math" not in Outline(render(text)).tags


def test_a_block_formula_stands_apart_from_the_lines_around_it():
    assert Outline(render("before\n$$\nx\n$$\nafter")).tags == ["p", "div", "math", "mrow", "mi", "p"]


@pytest.mark.parametrize("source", ["\\frac", "x^1^2", "\\left(", "{" * 3000, "\\newcommand{\\a}{\\a}\\a", "\\sqrt["])
def test_a_formula_that_cannot_be_converted_is_shown_as_code(source):
    outline = Outline(render(f"$${source}$$"))
    assert ("code", "class", "math") in outline.attributes
    assert outline.text == source


def test_latex_text_cannot_open_a_tag():
    outline = Outline(render("$\\text{a<b & <img src=x onerror=y>}\\href{javascript:x}{y}$"))
    assert outline.text == "a<b &\xa0<img\xa0src=x\xa0onerror=y>y" or "<img" in outline.text
    assert not {"img", "a"} & set(outline.tags)


def test_fonts_and_environments_of_latex_survive():
    assert Outline(render("$\\mathbf{x}\\mathbb{R}\\mathfrak{C}\\mathsf{a}$")).text == "𝐱ℝℭ𝖺"
    aligned = Outline(render("$$\\begin{aligned}a&=b\\\\c&=d\\end{aligned}$$"))
    assert aligned.tags.count("mtd") == 4
    assert aligned.text == "a=bc=d"
