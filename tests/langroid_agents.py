# ruff: noqa: E402
"""Agents and tasks for tests, small and silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import ChatAgent, ChatAgentConfig, Task, TaskConfig, ToolMessage
from langroid.language_models.base import RetryParams
from langroid.language_models.mock_lm import MockLMConfig
from langroid.language_models.openai_gpt import OpenAIGPTConfig

from tests.stub_llm import StubServer


class Square(ToolMessage):
    request: str = "square"
    purpose: str = "to square a number"
    n: int

    def handle(self) -> str:
        return str(self.n**2)


def agent_on(
    stub: StubServer,
    *,
    name: str = "Assistant",
    tools: Sequence[type[ToolMessage]] = (),
    native: bool = True,
    retries: int = 0,
    timeout: float = 10,
    **llm: Any,
) -> ChatAgent:
    """An agent whose model is the stub; its tools are calls of the API, or JSON in the text."""
    options = {
        "chat_model": "stub",
        "api_base": stub.url,
        "api_key": "x",
        "chat_context_length": 100_000,
        "cache_config": None,
        "retry_params": RetryParams(max_retries=retries, initial_delay=0.01),
    }
    config = ChatAgentConfig(
        name=name,
        llm=OpenAIGPTConfig(**(options | llm)),
        use_tools=not native,
        use_functions_api=native,
        show_stats=False,
        enable_orchestration_tool_handling=False,
    )
    agent = ChatAgent(config)
    agent.llm.client = agent.llm.client.with_options(timeout=timeout)  # Langroid's own is in whole seconds
    if tools:
        agent.enable_message(list(tools))
    return agent


def mock_agent(answer: Callable[[str], str], *, name: str = "Assistant", **config: Any) -> ChatAgent:
    """An agent whose model is a function of the last message."""
    return ChatAgent(ChatAgentConfig(name=name, llm=MockLMConfig(response_fn=answer), show_stats=False, **config))


def task_of(agent: ChatAgent, *, signals: bool = False, **options: Any) -> Task:
    """A task as `chat.agents` makes them: no log files, no signals in texts."""
    config = TaskConfig(enable_loggers=False, enable_html_logging=False, recognize_string_signals=signals)
    return Task(agent, config=config, **options)
