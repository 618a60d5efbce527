"""From an entry of `CHAT_AGENTS` to a Langroid task that is ready to run.

An agent's factory, in a module of yours, needs no more than this:

    import langroid as lr
    from chat.agents import AgentContext

    def poet(context: AgentContext) -> lr.ChatAgent:
        return lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm(), system_message="Answer in rhymes."))

It is called in the agent's thread, for each session anew, and may return a `Task` with sub-tasks instead. Agents that
use another model, by a config of their own, are stopped and kept quiet just the same: `langroid_setup` sees to that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from django.utils.module_loading import import_string

from chat import langroid_setup

langroid_setup.load()

from langroid import ChatAgent, Task  # noqa: E402
from langroid.agent.base import AgentConfig  # noqa: E402
from langroid.agent.chat_agent import CHAT_HISTORY_BUFFER  # noqa: E402
from langroid.language_models.base import LLMConfig, RetryParams  # noqa: E402
from langroid.language_models.openai_gpt import OpenAIGPTConfig  # noqa: E402
from langroid.language_models.provider_params import DUMMY_API_KEY  # noqa: E402

from chat.activity import Answer, Question, QuestionKind  # noqa: E402
from chat.conf import AgentSpec, conf  # noqa: E402
from chat.exceptions import AgentUnavailable, new_incident  # noqa: E402
from chat.mock_model import MockConfig, Script, echo  # noqa: E402

if TYPE_CHECKING:
    from chat.models import Message

logger = logging.getLogger("chat.agents")

OUTPUT_TOKENS = 4096  # longest answer that is asked for
RETRY_SECONDS = 0.5  # before a failed call is tried again, times 1.3 to 2.6


@dataclass(frozen=True, kw_only=True)
class AgentContext:
    """What a factory and its tools know of the session that they work for."""

    conversation_id: str
    user: Any = None  # Django's user; None: an anonymous visitor
    history: Sequence[Message] = ()  # the transcript so far; given to the agent by itself
    settings: Mapping[str, Any] = field(default_factory=dict)  # the agent's OPTIONS
    resources: dict[str, Any] = field(default_factory=dict)  # yours to fill: lives with the conversation's session here
    agent: str = ""  # the agent's name, as people see it
    asker: Callable[[Question], Answer | None] | None = None  # `Observer.ask` of the session

    def llm(self, **changes: Any) -> LLMConfig:
        """Return the configuration of this site's model, see `llm_config`.

        The agent's option MOCK_TOKENS_PER_SECOND sets the pace of the mock model; 0: no waiting.
        """
        config = llm_config(**changes)
        if isinstance(config, MockConfig) and "MOCK_TOKENS_PER_SECOND" in self.settings:
            config.tokens_per_second = self.settings["MOCK_TOKENS_PER_SECOND"]
        return config

    def ask(
        self,
        prompt: str,
        *,
        kind: QuestionKind = "text",
        options: Sequence[Any] = (),
        tool_name: str | None = None,
        tool_args: dict[str, Any] | None = None,
        timeout_seconds: float | None = None,
    ) -> Answer | None:
        """Ask the user, from a tool, and block until the answer.

        `options` are those of a choice. With `tool_name` and `tool_args` the page shows what is to be approved.
        Return None when there is no answer: the user has stopped the turn or gone, or the time is over.
        """
        if self.asker is None:
            return None
        question = Question(
            prompt=prompt,
            agent=self.agent,
            kind=kind,
            options=tuple(options),
            tool_name=tool_name,
            tool_args=tool_args,
            timeout_seconds=timeout_seconds,
        )
        return self.asker(question)


def build(spec: AgentSpec, context: AgentContext) -> Task:
    """Call the agent's factory and return its root task, ready for a history. In the agent's thread.

    Raises: AgentUnavailable, from the cause, which is in the log under its incident.
    """
    try:
        made = import_string(spec.factory)(replace(context, agent=spec.name))
        return _root_task(made, spec)
    except (Exception, SystemExit) as error:
        incident = new_incident()
        logger.error("agent %s could not be built, incident %s", spec.key, incident, exc_info=error)
        raise AgentUnavailable(incident=incident) from error


def request_of(task: Task) -> langroid_setup.ModelRequest:
    """Return what cuts the model requests of the run of this task, in whatever agent of its tree they are made."""
    return langroid_setup.ModelRequest()


def llm_config(*, mock: Script = echo, **changes: Any) -> LLMConfig:
    """Return the configuration of the model that `CHAT_MODEL`, `CHAT_API_KEY` and `CHAT_API_BASE` name.

    `changes` are fields of Langroid's `OpenAIGPTConfig` that differ. Without a key, a base or a model that names its
    server (`ollama/…`), and with `CHAT_MOCK_MODEL`, it is the mock model, which answers what `mock` says.
    """
    if uses_mock_model():
        return MockConfig(script=mock, stream=conf.STREAM)
    fields: dict[str, Any] = {
        # Explicit, also when empty: what is not given is looked for in the environment.
        "api_key": conf.API_KEY or DUMMY_API_KEY,
        "api_base": conf.API_BASE or None,
        "stream": conf.STREAM,
        "cache_config": None,
        "retry_params": RetryParams(
            max_retries=conf.MODEL_RETRIES, initial_delay=RETRY_SECONDS, exponential_base=1.3, jitter=True
        ),
    }
    if conf.MODEL:
        fields["chat_model"] = conf.MODEL
    if conf.TEMPERATURE is not None:
        fields["temperature"] = conf.TEMPERATURE
    # Langroid drops turns when such an answer would not fit any more (langroid 0.69.16, agent/chat_agent.py:1897).
    output = changes.get("max_output_tokens") or OUTPUT_TOKENS
    fields |= {"max_output_tokens": output, "min_output_tokens": output}
    fields["chat_context_length"] = conf.CONTEXT_TOKENS + output + CHAT_HISTORY_BUFFER
    config = OpenAIGPTConfig(**(fields | changes))
    if "timeout" not in changes:
        config.timeout = conf.MODEL_TIMEOUT_SECONDS  # assigned, because the field takes whole seconds only
    return config


def uses_mock_model() -> bool:
    """True when no model is configured, or the mock model is wanted."""
    names_server = "/" in conf.MODEL  # ollama/…, openrouter/…, local/host:port/v1
    return conf.MOCK_MODEL or not (conf.API_KEY or conf.API_BASE or names_server)


_built: WeakSet[ChatAgent] = WeakSet()


def _root_task(made: Any, spec: AgentSpec) -> Task:
    """Return what the factory made as a root task. Raises: TypeError, ValueError."""
    task = Task(made, interactive=True, restart=False) if isinstance(made, ChatAgent) else made
    if not isinstance(task, Task) or not isinstance(task.agent, ChatAgent):
        raise TypeError(f"{spec.factory} must return a langroid Task or ChatAgent, not {type(made).__name__}")
    agent = task.agent
    if agent in _built:
        raise ValueError(f"{spec.factory} must make a new agent for each session: this one has another user's history")
    _built.add(agent)
    task.restart = False  # else Langroid wipes the history when the task is run
    if task.name == AgentConfig.model_fields["name"].default:
        task.name = task.value = agent.config.name = spec.name
    if not _is_set(agent.config, "context_overflow_strategy"):
        agent.config.context_overflow_strategy = "drop_turns"  # whole turns, rather than the texts of all messages
    if not task.sub_tasks:
        _speak_freely(task)
    return task


def _speak_freely(task: Task) -> None:
    """Let texts be texts: without sub-tasks no word in them (DONE, PASS, TO[…]) needs to steer the task."""
    if not _is_set(task.config, "recognize_string_signals"):
        task.config = task.config.model_copy(update={"recognize_string_signals": False})
    if not _is_set(task.agent.config, "recognize_recipient_in_content"):
        task.agent.config.recognize_recipient_in_content = False


def _is_set(config: Any, name: str) -> bool:
    return name in config.model_fields_set
