"""What it costs to make an agent for a new session, with a client whose requests can be cut.

python -m benchmarks.creation '{"count": 20}'        # prints JSON: CPU seconds of each, the first apart
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def measure(count: int) -> dict[str, Any]:
    os.environ |= {"DJANGO_SETTINGS_MODULE": "benchmarks.server_settings", "SECRET_KEY": "benchmark"}
    os.environ |= {"CHAT_API_KEY": "sk-benchmark", "CHAT_API_BASE": "http://127.0.0.1:9/v1"}
    import django

    django.setup()
    from chat.agents.langroid import setup

    setup.import_langroid()
    from langroid.language_models.openai_gpt import OpenAIGPT

    from chat.agents import registry
    from chat.agents.context import AgentContext
    from chat.conf import default_agent

    seconds, kept = [], []
    for _ in range(count + 1):
        started = time.process_time()
        task = registry.build(default_agent(), AgentContext(conversation_id="benchmark"))
        assert isinstance(task.agent.llm, OpenAIGPT)
        setup.make_stoppable(task.agent.llm.client)
        seconds.append(time.process_time() - started)
        kept.append(task)
    return {"first_seconds": seconds[0], "seconds": seconds[1:]}


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
