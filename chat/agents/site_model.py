"""This site's model for every agent and embedding that names no server of its own.

Langroid's configs have defaults of their own, made when their classes are (agent/special/table_chat_agent.py:139 and
others, langroid 0.69.16): without this they would ask api.openai.com, whatever the site has configured.
"""

# ruff: noqa: E402
from __future__ import annotations

import functools
from typing import Any

from chat.agents.langroid import mends, setup

setup.import_langroid()

from langroid.agent.base import Agent, AgentConfig
from langroid.embedding_models.models import OpenAIEmbeddings, OpenAIEmbeddingsConfig
from langroid.language_models.openai_gpt import OpenAIGPTConfig
from langroid.language_models.provider_params import DUMMY_API_KEY

from chat.agents.llm import llm_config, uses_mock_model
from chat.agents.mock_model import MockConfig, stand_in
from chat.conf import conf


def _give_model(config: AgentConfig) -> None:
    """Fill in what the author of this config has left to defaults."""
    llm = config.llm
    if (script := stand_in.get()) and llm is not None:
        if not (isinstance(llm, MockConfig) and llm.script is script):
            vars(config)["llm"] = llm_config()
        return
    if type(llm) is not OpenAIGPTConfig:
        return
    if "llm" not in config.model_fields_set and _is_langroids(type(config)):
        vars(config)["llm"] = llm_config()  # past the field's type, which may be OpenAI's alone
        return
    names_server = llm.api_base or "/" in llm.chat_model or llm.api_key not in ("", DUMMY_API_KEY)
    if not names_server and not uses_mock_model():
        llm.api_key, llm.api_base = conf.API_KEY or DUMMY_API_KEY, conf.API_BASE or None
        llm._api_base_was_supplied = bool(conf.API_BASE)


def _is_langroids(config: type) -> bool:
    """True if Langroid, not the author, has chosen the default model of these configs."""
    chooser = next(cls for cls in config.__mro__ if "llm" in vars(cls).get("__annotations__", {}))
    return chooser.__module__.startswith("langroid.")


def _take_any_model() -> None:
    """Let configs that insist on OpenAI's take the mock model, too."""
    from langroid.agent.special.table_chat_agent import TableChatAgentConfig

    TableChatAgentConfig.model_fields["llm"].annotation = OpenAIGPTConfig | MockConfig
    TableChatAgentConfig.model_rebuild(force=True)


def _install() -> None:
    make_agent, make_embeddings = Agent.__init__, OpenAIEmbeddings.__init__

    @functools.wraps(make_agent)
    def agent(self: Agent, config: AgentConfig | None = None) -> None:
        config = AgentConfig() if config is None else config
        _give_model(config)
        make_agent(self, config)

    @functools.wraps(make_embeddings)
    def embeddings(self: OpenAIEmbeddings, config: OpenAIEmbeddingsConfig | None = None, *args: Any) -> None:
        config = OpenAIEmbeddingsConfig() if config is None else config
        if not (config.api_key or config.api_base) and not uses_mock_model():
            change = {"api_key": conf.API_KEY or DUMMY_API_KEY, "api_base": conf.API_BASE or None}
            config = config.model_copy(update=change)
        make_embeddings(self, config, *args)

    Agent.__init__ = agent  # type: ignore[method-assign]
    OpenAIEmbeddings.__init__ = embeddings  # type: ignore[method-assign]
    _take_any_model()


if mends.SITE_MODEL.holds:
    _install()
