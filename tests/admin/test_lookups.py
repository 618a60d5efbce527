"""Nobody reads letter by letter: what the lists can be filtered, searched and ordered by."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.test import RequestFactory
from django.urls import reverse

from chat.admin.read_only import ReadOnlyAdmin
from chat.models import Conversation
from tests.admin.test_admin import VIEWS, browser_of

pytestmark = pytest.mark.django_db

ADMINS = [each for model, each in admin.site._registry.items() if model._meta.app_label == "chat"]
LOOKUPS = ("", "__exact", "__icontains", "__regex", "__startswith", "__gt", "__in", "__isnull", "__length__gt")
PLAIN = {"agent_key", "host", "user_name"}  # texts that nobody has said
SECRET = "a-secret-word"


def paths_of(model: type[models.Model], depth: int = 2) -> Iterator[tuple[str, models.Field]]:
    """Every field that a lookup can reach from a model, through its relations too."""
    for field in model._meta.get_fields():
        name = field.name if isinstance(field, models.Field) else field.get_accessor_name() and field.name
        yield name, field
        if field.is_relation and depth and field.related_model:
            for path, inner in paths_of(field.related_model, depth - 1):
                yield f"{name}__{path}", inner


def is_text(field: models.Field) -> bool:
    """Whether the field may hold what somebody has said, or a secret of an account."""
    if isinstance(field, models.TextField | models.JSONField):
        return True
    return isinstance(field, models.CharField) and not field.choices and field.name not in PLAIN


@pytest.fixture
def staff():
    return browser_of("staff", *VIEWS, is_staff=True)


def test_every_list_of_the_chat_is_looked_at():
    assert all(isinstance(each, ReadOnlyAdmin) for each in ADMINS)
    registered = {each.model for each in ADMINS}
    of_no_list = {apps.get_model(f"chat.{name}") for name in ("Message", "Tally", "Presence")}
    assert registered >= set(apps.get_app_config("chat").get_models()) - of_no_list


@pytest.mark.parametrize("each", ADMINS, ids=lambda each: each.model.__name__)
def test_no_text_can_be_filtered_by(each):
    request = RequestFactory().get("/")
    texts = [path for path, field in paths_of(each.model) if is_text(field)]

    assert len(texts) > 3
    for path in texts:
        for lookup in LOOKUPS:
            assert not each.lookup_allowed(path + lookup, "x", request), path + lookup


@pytest.mark.parametrize(
    "lookup", ["title__regex", "question__icontains", "messages__content__startswith", "visitor__gt"]
)
def test_staff_who_may_not_read_are_told_nothing_by_a_filter(staff, lookup):
    Conversation.objects.create(visitor="f" * 64, agent_key="a", title=SECRET, question={"content": SECRET})
    address = reverse("admin:chat_conversation_changelist")

    assert staff.get(address, {lookup: "a"}).status_code == 400


@pytest.mark.parametrize("each", ADMINS, ids=lambda each: each.model.__name__)
def test_staff_who_may_not_read_search_and_order_by_no_text(each, staff):
    Conversation.objects.create(visitor="f" * 64, agent_key="a", title=SECRET, question={"content": SECRET})
    address = reverse(f"admin:chat_{each.model._meta.model_name}_changelist")
    answer = staff.get(address, {"q": SECRET})
    listed = answer.context["cl"]
    fields = dict(paths_of(each.model))
    searched = [name for name in each.get_search_fields(answer.wsgi_request) if is_text(fields[name])]
    ordered = [listed.get_ordering_field(name) for name in listed.list_display]

    assert listed.result_count == 0
    assert set(searched) <= {"visitor", "last_error", "user__username"}  # a hash, a code, a name
    assert not [name for name in ordered if name in fields and is_text(fields[name])]


@pytest.mark.parametrize("each", ADMINS, ids=lambda each: each.model.__name__)
def test_what_a_page_offers_still_filters(each, staff):
    address = reverse(f"admin:chat_{each.model._meta.model_name}_changelist")
    for name in each.list_filter:
        query = {f"{name}__isnull": "1"} if isinstance(name, str) else {name.parameter_name: "yes"}
        assert staff.get(address, query).status_code == 200
    for lookup in each.linked_lookups:
        assert staff.get(address, {lookup: "00000000-0000-4000-8000-000000000000"}).status_code == 200
