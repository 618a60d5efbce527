"""Settings of a server with the agents of `card_agents.py`."""

from pathlib import Path

from tests.server_settings import *  # noqa: F403

TEMPLATES = globals()["TEMPLATES"]
TEMPLATES[0]["DIRS"] = [*TEMPLATES[0].get("DIRS", []), Path(__file__).parent / "templates"]
CARDS = {"run_code": "code", "find": "search", "look_up": "json", "write_letter": "letter_card.html"}
HOST = {"FACTORY": "tests.browser.card_agents.host", "SETTINGS": "tests.browser.card_agents.Stay"}
CHAT_AGENTS = {
    "cards": {"FACTORY": "tests.browser.card_agents.cards", "CARDS": CARDS},
    "host": {**HOST, "OPENING": "Greet the user."},
    "desk": HOST,
}
CHAT_DEFAULT_AGENT = "cards"
