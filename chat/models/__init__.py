"""What is stored. Every model is imported here, where Django looks for them and everybody else imports them from.

May import `wire`, `mends` and the ground. Begin with `conversation.py`.
"""

from chat.models.conversation import ChatSession, ContentView, Conversation, Message, ServerProcess

__all__ = ["ChatSession", "ContentView", "Conversation", "Message", "ServerProcess"]
