"""What happens when somebody signs in, by whatever page of the project."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from chat.actions.take_along import take_along
from chat.owners import visitor_of_request

logger = logging.getLogger(__name__)

TAKEN = "chat_taken"  # in the session: how many conversations came along, until the page has said so


def install() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="chat.sign_in")


def _signed_in(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    visitor = visitor_of_request(request) if request else None
    if request is None or visitor is None:
        return
    if ids := take_along(visitor, user):
        request.session[TAKEN] = len(ids)
        logger.info("user %s took along what was a visitor's: conversations %s", user.pk, ", ".join(ids))
