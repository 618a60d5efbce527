"""What people think of answers: theirs to give, change and take back."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_http_methods

from chat.actions.feedback import give, withdraw
from chat.cluster import announce
from chat.exceptions import BadFrame, NotFound
from chat.models import Feedback
from chat.owners import Owner
from chat.views.access import conversation_of, owned, refused
from chat.views.body import body_of


@require_GET
@owned
def all_of(request: HttpRequest, owner: Owner, id: UUID) -> HttpResponse:
    """What was said of the conversation's answers, by their ids."""
    given = Feedback.objects.filter(conversation=conversation_of(owner, id))
    return JsonResponse({"feedback": {str(each.message_id): each.public() for each in given}})


@require_http_methods(["PUT", "DELETE"])
@owned
def one(request: HttpRequest, owner: Owner, id: UUID, message_id: UUID) -> HttpResponse:
    """PUT {"value": "up"|"down", "reasons": [text], "comment": text}, or take it back."""
    try:
        if request.method == "DELETE":
            withdraw(owner, id, message_id)
            announce.feedback(id, message_id, None)
            return HttpResponse(status=204)
        wanted = {"value": "", "reasons": [], "comment": ""} | body_of(request)
        value, reasons, comment = wanted["value"], wanted["reasons"], wanted["comment"]
        if not isinstance(reasons, list) or not all(isinstance(each, str) for each in [value, comment, *reasons]):
            return refused("bad_frame", "value and comment are texts, reasons is a list of texts.", status=400)
        given = give(owner, id, message_id, value=value, reasons=reasons, comment=comment.replace("\x00", ""))
        announce.feedback(id, message_id, given.public())
        return JsonResponse(given.public())
    except NotFound as error:
        raise Http404 from error
    except BadFrame as error:
        return refused(error.code, error.details, status=400)
