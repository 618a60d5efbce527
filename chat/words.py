"""The words of the page's modules in the page's language (`static/chat/words.js`), from gettext's catalogs.

Another language needs files alone: `locale/XX/LC_MESSAGES/{django,djangojs}.po` here or in a folder of the project's
LOCALE_PATHS, compiled (`python scripts/messages.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.translation import get_language, get_language_bidi, override
from django.utils.translation.trans_real import DjangoTranslation
from django.views.i18n import JSONCatalog

LOCALE = Path(__file__).resolve().parent / "locale"
ENGLISH = "en"

Words = dict[str, str | list[str]]  # by the English text; a list has the plural forms


def page_words() -> tuple[str, bool, Words]:
    """The language in which the page is shown, whether it runs from right to left, and its words.

    English, without words, where there are none for the request's language.
    """
    language = get_language() or ENGLISH
    folders = (LOCALE, *map(Path, settings.LOCALE_PATHS))
    words = _words(language, folders)
    shown = language if words or language.startswith(ENGLISH) else ENGLISH
    with override(shown):
        return shown, get_language_bidi(), words


def translator(language: str) -> Callable[[str], str]:
    """What says a sentence of an error in this language, or leaves it in English."""
    words = _words(language, (LOCALE, *map(Path, settings.LOCALE_PATHS)))
    return lambda text: str(words.get(text, text))


@cache
def _words(language: str, folders: Iterable[Path]) -> Words:
    catalog = JSONCatalog()
    catalog.translation = DjangoTranslation(language, domain="djangojs", localedirs=[str(each) for each in folders])
    found: Words = catalog.get_catalog()
    return found
