"""Rows that the software writes and people look at: what the pages of all models share."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core import paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.conf import agents
from chat.models import Conversation

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    Paginator = paginator.Paginator[Any]
else:
    ModelAdmin = admin.ModelAdmin  # which take no parameter at run time
    Paginator = paginator.Paginator

VISITOR_CHARS = 8  # of an anonymous visitor's hash, as a name
MONTHS_LISTED = 24


class ByIdPaginator(Paginator):
    """Finds the rows of a page by their ids alone, and only then all that is shown of them.

    So 100,000 rows are sorted, or passed over, without what the page joins to each.
    """

    object_list: QuerySet[Any]

    def page(self, number: int | str) -> Any:
        page: Any = super().page(number)
        ids = list(page.object_list.values_list("pk", flat=True))
        page.object_list = self.object_list.filter(pk__in=ids)
        return page


class ReadOnlyAdmin(ModelAdmin):
    """Rows that the software writes and people look at."""

    paginator = ByIdPaginator
    show_full_result_count = False
    list_per_page = 50
    linked_lookups: tuple[str, ...] = ()  # by which other pages link to the list

    class Media:
        css = {"all": ["chat/admin.css"]}

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Filter by what the page offers, and nothing else.

        Django lets any staff filter by any field of the model: by `title__regex` and the number of rows that are left,
        somebody who may not read conversations reads them letter by letter.
        """
        filters = (*self.list_filter, self.date_hierarchy)
        offered = {each if isinstance(each, str) else each.parameter_name for each in filters if each}
        return lookup in self.linked_lookups or lookup.partition("__")[0] in offered

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Take a number that no date has for any other wrong parameter (django 5.2, admin/views/main.py:245)."""
        try:
            return super().get_changelist_instance(request)
        except (OverflowError, ValueError) as error:
            raise IncorrectLookupParameters(error) from error

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def may_read(request: HttpRequest) -> bool:
    """Whether this person may see what is said in conversations."""
    return bool(request.user.has_perm("chat.view_content"))


def owner_name(conversation: Conversation) -> str:
    if conversation.user is not None:
        return str(conversation.user.get_username())
    return visitor_name(conversation.visitor)


def visitor_name(visitor: str) -> str:
    return gettext("visitor {id}").format(id=visitor[:VISITOR_CHARS])


def agent_name(key: str) -> str:
    spec = agents().get(key)
    return spec.name if spec else key


def shortly(moment: datetime) -> str:
    """A moment that fits into a column, in the current time zone."""
    local = moment if timezone.is_naive(moment) else timezone.localtime(moment)  # naive with USE_TZ=False
    return f"{local:%Y-%m-%d %H:%M}"


def number(value: int | Decimal, decimals: int = 0) -> str:
    """A number as people of the request's language write it."""
    return number_format(value, decimals, force_grouping=True)


def badge(kind: str, text: str) -> SafeString:
    """A word with a colour that `admin.css` gives it: live, good, bad or past."""
    return format_html('<span class="chat-badge chat-{}">{}</span>', kind, text)


class AgentFilter(admin.SimpleListFilter):
    """By agent: the configured ones, and those of old rows."""

    title = _("agent")
    parameter_name = "agent"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        used = model_admin.model._default_manager.order_by("agent_key").values_list("agent_key", flat=True).distinct()
        return [(key, agent_name(key)) for key in dict.fromkeys([*agents(), *used])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(agent_key=self.value()) if self.value() else queryset


class LiveFilter(admin.SimpleListFilter):
    """By whether a row is of something that runs now. The rows have `has_lease` and `ended`."""

    title = _("live or ended")
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", gettext("Live")), ("no", gettext("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        is_live = Q(ended=None, has_lease=True)
        match self.value():
            case "yes":
                return queryset.filter(is_live)
            case "no":
                return queryset.exclude(is_live)
        return queryset


class MonthFilter(admin.SimpleListFilter):
    """By the month of a field with an index.

    Django's `date_hierarchy` cuts every row's date to find the years that there are: 0.9 s of 100,000 rows.
    """

    field: str

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        moments = model_admin.model._default_manager.order_by(self.field).values_list(self.field, flat=True)
        first, last = moments.first(), moments.last()
        if first is None or last is None:
            return []
        newest, oldest = _months(last), _months(first)
        months = range(newest, max(oldest, newest - MONTHS_LISTED + 1) - 1, -1)
        return [(name, name) for name in map(_month_name, months)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (month := self.value()):
            return queryset
        try:
            begin, end = _bounds(month)
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error
        return queryset.filter(**{f"{self.field}__gte": begin, f"{self.field}__lt": end})


def months_of(name: str) -> type[MonthFilter]:
    """A filter by the month of this field."""
    return type("MonthFilter", (MonthFilter,), {"field": name, "title": _("month"), "parameter_name": "month"})


def _months(moment: datetime) -> int:
    """Since the year 0, in the current time zone."""
    local = moment if timezone.is_naive(moment) else timezone.localtime(moment)
    return local.year * 12 + local.month - 1


def _month_name(months: int) -> str:
    return f"{months // 12:04}-{months % 12 + 1:02}"


def _bounds(month: str) -> tuple[datetime, datetime]:
    """When the month begins and when the next one does. Raises: ValueError."""
    begin = datetime.strptime(month, "%Y-%m")
    end = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return (timezone.make_aware(begin), timezone.make_aware(end)) if settings.USE_TZ else (begin, end)
