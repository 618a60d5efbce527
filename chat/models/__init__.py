"""What is stored. Every model is imported here, where Django looks for them and everybody else imports them from.

May import `files`, `wire`, `mends` and the ground. Begin with `conversation.py`.
"""

from chat.models.attachment import Attachment
from chat.models.audit import ContentView, TakenAlong
from chat.models.conversation import Conversation
from chat.models.feedback import Feedback
from chat.models.message import Message
from chat.models.runs import ChatSession, ServerProcess
from chat.models.share import Share, ShareNote
from chat.models.tallies import Presence, Tally

__all__ = [
    "Attachment",
    "ChatSession",
    "ContentView",
    "Conversation",
    "Feedback",
    "Message",
    "Presence",
    "ServerProcess",
    "Share",
    "ShareNote",
    "TakenAlong",
    "Tally",
]
