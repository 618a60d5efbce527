"""Tags for the templates: the page's ES modules and style sheets with their final, possibly hashed, addresses, and the
site's name.

The modules import each other by bare names (`import {el} from "chat/dom.js"`). The import map says where each is; so
no tool has to rewrite `import` statements, and renamed files with hashes in their names are found. Where there are
bundles (`chat/assets.py`) the page has these alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from chat import assets
from chat.conf import conf
from chat.look import FAVICON, address_of

register = template.Library()


@register.simple_tag
def chat_style_sheets() -> SafeString:
    """Print a link to each of the page's style sheets, but for those that come later."""
    names = [assets.SHEET] if assets.is_bundled() else [*assets.style_names(), *assets.later_style_names()]
    return _each('<link rel="stylesheet" href="{}">', names)


@register.simple_tag
def chat_own_style_sheet() -> SafeString:
    """Print a link to the project's own style sheet, if it has one. It comes after all others."""
    return _each('<link rel="stylesheet" href="{}">', [conf.STYLESHEET] if conf.STYLESHEET else [])


@register.simple_tag
def chat_icon() -> SafeString:
    """Print the link to the icon of the browser's tab."""
    return _each('<link rel="icon" href="{}">', [conf.FAVICON or FAVICON])


@register.simple_tag
def chat_logo() -> str:
    """Return the address of the project's logo; "" where it has none."""
    return address_of(conf.LOGO)


@register.simple_tag
def chat_scripts(nonce: str) -> SafeString:
    """Print the scripts that start the page, in the order in which they run; before them the import map, the names of
    those that come later, with their sheet, and a preload for each module: without it the browser finds one only when
    another imports it.
    """
    modules, starts = assets.module_names(), assets.script_names()
    later_modules, later = assets.later_module_names(), assets.later_script_names()
    later_sheet = [assets.LATER_SHEET] if assets.is_bundled() else []
    if assets.is_bundled():
        modules = starts = (assets.SCRIPT,)
        later_modules = later = (assets.LATER_SCRIPT,)
    elements = (
        _import_map(nonce, (*modules, *later_modules)),
        format_html('<meta name="chat-later" content="{}">', " ".join(later)),
        _each('<meta name="chat-later-sheet" content="{}">', later_sheet),
        _each('<link rel="modulepreload" href="{}">', modules),
        _each('<script type="module" src="{}"></script>', starts),
    )
    return format_html_join("\n", "{}", ((element,) for element in elements))


def _import_map(nonce: str, names: Iterable[str]) -> SafeString:
    text = json.dumps({"imports": {name: static(name) for name in names}})
    # "<" as an escape, so that no address can end the script element.
    return format_html(
        '<script type="importmap" nonce="{}">{}</script>', nonce, mark_safe(text.replace("<", "\\u003c"))
    )


def _each(element: str, names: Iterable[str]) -> SafeString:
    return format_html_join("\n", element, ((address_of(name),) for name in names))


@register.simple_tag
def chat_site_name() -> str:
    """Print the site's name, for the pages around the chat."""
    return str(conf.SITE_NAME)
