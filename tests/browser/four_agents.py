"""Settings of a server with four agents."""

from tests.server_settings import *  # noqa: F403

CHAT_AGENTS = {
    "cook": {"FACTORY": "chat.demo.agents.assistant", "DESCRIPTION": "What to make of what is there"},
    "poet": {"FACTORY": "chat.demo.agents.assistant", "GREETING": "What shall I sing of?"},
    "clerk": {"FACTORY": "chat.demo.agents.assistant", "DESCRIPTION": "Letters, forms, and where to send them"},
    "guide": {"FACTORY": "chat.demo.agents.assistant"},
}
CHAT_DEFAULT_AGENT = "cook"
