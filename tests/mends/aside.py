"""A turn with a Langroid and an SDK of tomorrow, in which no mend fits but the essential ones.

python -m tests.mends.aside URL      # of a model's server; prints what came of it, as JSON
"""

from __future__ import annotations

import json
import logging
import sys

from chat.mends import mend
from tests.mends.renamed import Renamed

TOMORROW = {"langroid": "0.71.0", "openai": "3.60.0", "httpx2": "2.20.0"}
OPENAI_GPT, TASK = "langroid.language_models.openai_gpt", "langroid.agent.task"


def of_tomorrow(*names: str) -> list[tuple[str, str]]:
    return [(rf"\b{name}\b", f"{name}_of_tomorrow") for name in names]


CHANGES = {
    "langroid": {
        "": [
            *of_tomorrow("_chat_completions_with_backoff_body", "_achat_completions_with_backoff_body"),
            *of_tomorrow("_prep_llm_messages", "_maybe_infinite_loop", "_is_kill", "_set_alive"),
            *of_tomorrow("_api_base_was_supplied", "get_json_candidates", "retry_with_exponential_backoff"),
            *of_tomorrow("default_value", "_message_num_tokens", "Colors"),
            (r"\bLanguageModel\.create\(", "LanguageModel.make("),
        ],
        TASK: [(r"\bdef valid\b", "def is_valid"), (r"self\.valid\(", "self.is_valid(")],
        OPENAI_GPT: [("^import logging$", "import logging as log"), (r"\blogging\.", "log.")],
        "langroid.language_models.base": [(r"\bdef create\(", "def make(")],
    },
    "openai": {"openai._streaming": of_tomorrow("_iter_events")},
    "httpx2": {"": of_tomorrow("_pool")},
}


def live_tomorrow() -> list[str]:
    """Let this process find those versions; return the list of what the chat will warn of."""
    today = mend.version_of
    mend.version_of = lambda name: TOMORROW.get(name) or today(name)
    sys.meta_path[:0] = [Renamed(package, changes) for package, changes in CHANGES.items()]
    warnings: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())
    logging.getLogger("chat").addHandler(handler)
    return warnings


def main(url: str) -> None:
    warnings = live_tomorrow()

    from chat.agents.langroid import setup

    langroid = setup.import_langroid()

    from langroid.language_models.openai_gpt import OpenAIGPTConfig

    import chat.agents.mock_model
    from tests.recorder import Chat

    class Square(langroid.ToolMessage):
        request: str = "square"
        purpose: str = "Squares <n>."
        n: int

        def handle(self) -> str:
            return str(self.n**2)

    llm = OpenAIGPTConfig(chat_model="stub", api_key="sk-x", api_base=url, stream=True, cache_config=None)
    agent = langroid.ChatAgent(langroid.ChatAgentConfig(name="Poet", llm=llm))
    agent.enable_message(Square)
    chat = Chat(langroid.Task(agent, interactive=True, restart=False))
    turns = [chat.say('[[text="Two lines of a poem." usage=0]]'), chat.say('[[tool=square args={"n":7} json=1]]')]
    chat.hang_up()
    print()  # Langroid has written colours
    print(json.dumps({"turns": turns, "warnings": warnings}))


if __name__ == "__main__":
    main(sys.argv[1])
