# ruff: noqa: E402
"""Whatever names no model of its own has the site's; what an agent's code sets is for its own session."""

from __future__ import annotations

import logging
import sys
import threading

import pytest

from chat.agents.langroid import setup

lr = setup.import_langroid()

import pandas
from langroid.agent.special.doc_chat_agent import DocChatAgentConfig
from langroid.agent.special.table_chat_agent import PandasEvalTool, TableChatAgent, TableChatAgentConfig
from langroid.agent.tools.rewind_tool import RewindTool
from langroid.embedding_models.models import OpenAIEmbeddings
from langroid.language_models.openai_gpt import OpenAIGPTConfig
from langroid.utils.configuration import Settings, set_global, settings

from chat.agents import site_model
from chat.agents.langroid import loops
from chat.agents.mock_model import MockConfig
from tests.langroid_agents import mock_agent
from tests.recorder import chatting

BASE = "http://127.0.0.1:1/v1"


@pytest.fixture
def site(settings) -> None:
    settings.CHAT_MODEL, settings.CHAT_API_KEY, settings.CHAT_API_BASE = "house-model", "sk-house", BASE
    settings.CHAT_MOCK_MODEL = False


def test_an_agent_without_a_model_has_the_sites(site):
    llm = lr.ChatAgent(lr.ChatAgentConfig()).config.llm
    assert (llm.chat_model, llm.api_key, llm.api_base) == ("house-model", "sk-house", BASE)


def test_a_table_agent_without_a_model_has_the_sites(site):
    agent = TableChatAgent(TableChatAgentConfig(data=pandas.DataFrame({"a": [1]})))
    assert (agent.config.llm.chat_model, agent.config.llm.api_base) == ("house-model", BASE)


def test_the_default_of_a_document_agent_is_the_sites(site):
    config = DocChatAgentConfig()
    site_model._give_model(config)
    assert (config.llm.chat_model, config.llm.api_base) == ("house-model", BASE)


def test_a_model_of_ones_own_is_asked_for_at_the_sites_server(site):
    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=OpenAIGPTConfig(chat_model="gpt-4o", api_key="")))
    assert (agent.config.llm.chat_model, agent.llm.api_base) == ("gpt-4o", BASE)


def test_a_server_of_ones_own_is_kept(site):
    own = OpenAIGPTConfig(chat_model="m", api_base="http://127.0.0.1:2/v1", api_key="mine")
    assert lr.ChatAgent(lr.ChatAgentConfig(llm=own)).config.llm.api_base == "http://127.0.0.1:2/v1"


def test_embeddings_are_made_at_the_sites_server(site, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    client = OpenAIEmbeddings().client
    assert (client.api_key, str(client.base_url).rstrip("/")) == ("sk-house", BASE)


def test_a_table_agent_takes_the_mock_model():
    config = TableChatAgentConfig(data=pandas.DataFrame({"a": [1]}), llm=MockConfig(tokens_per_second=0))
    assert TableChatAgent(config).llm_response("hello").content


def test_a_tables_answer_has_what_it_prints_and_nothing_of_others(capsys):
    agent = TableChatAgent(
        TableChatAgentConfig(data=pandas.DataFrame({"apples": [1]}), llm=MockConfig(), full_eval=True)
    )
    stdout = sys.stdout
    assert "apples" in agent.pandas_eval(PandasEvalTool(expression="df.info()"))
    assert sys.stdout is stdout
    assert "apples" not in capsys.readouterr().out


def test_settings_of_an_agent_are_its_sessions_own(caplog):
    def session() -> None:
        with loops.kept(), caplog.at_level(logging.WARNING):
            set_global(Settings(debug=True, cache=True, max_turns=7))
            settings.debug = True
            seen.append((settings.debug, settings.cache, settings.max_turns))

    seen: list[tuple] = []
    thread = threading.Thread(target=session)
    thread.start()
    thread.join()
    assert seen == [(False, False, 7)]
    assert (settings.debug, settings.cache, settings.max_turns) == (False, False, -1)
    assert "refused" in caplog.text


def test_a_message_of_an_earlier_turn_can_be_rewound():
    texts = iter(["first answer", '{"request": "rewind_tool", "n": 1, "content": "a better answer"}', "last"])
    agent = mock_agent(lambda _: next(texts))
    agent.enable_message(RewindTool)
    with chatting(lr.Task(agent, restart=False)) as chat:
        chat.say("one")
        lines = chat.say("two")
        assert lines[-1].endswith("complete stop: a better answer"), lines
        assert [m.content for m in agent.message_history[1:]].count("a better answer") == 1
        assert chat.say("three")[-1].endswith("last")
