"""From an entry of `CHAT_AGENTS` to a Langroid task that is ready to run.

An agent's factory, in a module of yours, needs no more than this:

    import langroid as lr
    from chat.agents import AgentContext

    def poet(context: AgentContext) -> lr.ChatAgent:
        return lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm(), system_message="Answer in rhymes."))

It is called in the agent's thread, for each session anew, and may return a `Task` with sub-tasks instead. Agents that
use another model, by a config of their own, are stopped and kept quiet just the same: `langroid/setup.py` sees to that.
"""

# ruff: noqa: E402
from __future__ import annotations

import inspect
import logging
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from django.utils.module_loading import import_string

from chat.agents.langroid import setup

setup.import_langroid()

from langroid import ChatAgent, Task
from langroid.agent.base import AgentConfig

from chat.agents import embeddings, site_model  # noqa: F401  (their changes of Langroid)
from chat.agents.asking import Asker
from chat.agents.context import AgentContext
from chat.agents.langroid import loops, terminal  # noqa: F401  (terminal: its questions)
from chat.agents.langroid.scope import current
from chat.agents.mock_model import stand_in, stand_ins
from chat.conf import AgentSpec
from chat.exceptions import AgentUnavailable, new_incident
from chat.observer import AgentGone, Answer, Question

logger = logging.getLogger(__name__)


def build(spec: AgentSpec, context: AgentContext) -> Task:
    """Call the agent's factory and return its root task, ready for a history. In the agent's thread.

    Raises: AgentUnavailable, from the cause, which is in the log under its incident.
    """
    stand_in.set(stand_ins.get(context.conversation_id))
    try:
        made = import_string(spec.factory)(replace(context, agent=spec.name, asker=_as_who_asks(context.asker)))
        return _root_task(loops.run(made) if inspect.iscoroutine(made) else made, spec)
    except AgentGone:
        raise
    except BaseException as error:  # a panic of a library in Rust is one
        incident = new_incident()
        logger.error("agent %s could not be built, incident %s", spec.key, incident, exc_info=error)
        raise AgentUnavailable(incident=incident) from error


def _as_who_asks(asker: Asker | None) -> Asker | None:
    """Let questions come from the agent whose tool asks, which may be deep in a tree of agents."""
    if asker is None:
        return None

    def ask(question: Question) -> Answer | None:
        now = current.get()
        return asker(replace(question, agent=now.span.agent.config.name) if now else question)

    return ask


def request_of(task: Task) -> setup.ModelRequest:
    """Return what cuts the model requests of the run of this task, in whatever agent of its tree they are made."""
    return setup.ModelRequest()


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
    if task.interactive and not task.sub_tasks:  # one that runs by itself ends by saying so
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
