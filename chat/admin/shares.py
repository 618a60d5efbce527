"""The links that show conversations to whoever has them; and who has made and revoked which."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.admin.audit import NoteAdmin
from chat.admin.read_only import ReadOnlyAdmin, badge, owner_name
from chat.clock import Now
from chat.models import Share, ShareNote


@admin.register(Share)
class ShareAdmin(ReadOnlyAdmin):
    """Never the token: who reads this list does not read the conversations."""

    list_display = ("created", "owner", "conversation", "state", "shows", "expires", "views", "last_viewed")
    list_filter = ("created", "expires")
    list_select_related = ("conversation__user",)
    date_hierarchy = "created"
    fields = ("conversation", "created", "expires", "revoked", "shows", "views", "last_viewed")
    actions = ("take_back",)

    @admin.display(description=_("owner"))
    def owner(self, row: Share) -> str:
        return owner_name(row.conversation)

    @admin.display(description=_("state"))
    def state(self, row: Share) -> SafeString:
        if row.revoked:
            return badge("past", gettext("revoked"))
        return badge("past", gettext("expired")) if row.expires <= timezone.now() else badge("live", gettext("works"))

    @admin.display(description=_("shows"))
    def shows(self, row: Share) -> str:
        what = gettext("what there is") if row.follows else gettext("up to record {n}").format(n=row.seq)
        return gettext("{what}, with tools").format(what=what) if row.with_tools else what

    @admin.action(description=_("Revoke the selected links"), permissions=["revoke"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[Share]) -> None:
        for row in queryset.filter(revoked=None):
            row.revoked = Now()
            row.save(update_fields=["revoked"])
            ShareNote.objects.create(
                user_id=request.user.pk,
                user_name=request.user.get_username(),
                conversation_id=row.conversation_id,
                share_id=row.id,
                act=ShareNote.Act.REVOKED,
                terms=row.terms(),
            )

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("chat.change_share"))


@admin.register(ShareNote)
class ShareNoteAdmin(NoteAdmin):
    list_display = ("noted", "user_name", "act", "conversation_link")
    list_filter = ("noted", "act")
    date_hierarchy = "noted"
    ordering = ("-noted",)
    fields = ("noted", "user_name", "act", "conversation_id", "share_id", "terms")
