"""What a host project may listen to.

    from chat.signals import feedback_given

    @receiver(feedback_given)
    def tell_the_team(feedback, **_):
        ...

Sent once the database has it; a receiver that raises disturbs nobody and is in the log.
"""

from __future__ import annotations

from django.dispatch import Signal

feedback_given = Signal()  # feedback: a `chat.models.Feedback`, is_new: whether it is the first of this answer
feedback_withdrawn = Signal()  # message_id, conversation_id: of the answer
