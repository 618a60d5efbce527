"""Langroid's configs are made without a search for each of their fields, and are what they would be with it."""

from __future__ import annotations

import pytest
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chat.agents.langroid import configs, setup

setup.import_langroid()

from langroid.agent.chat_agent import ChatAgentConfig  # noqa: E402
from langroid.language_models.openai_gpt import OpenAIGPTConfig  # noqa: E402

ask_all = BaseSettings.__init__.__wrapped__  # what the mend has replaced


@pytest.fixture
def unasked(monkeypatch):
    """Fail when the sources are asked."""

    def fail(*_):
        raise AssertionError("the sources were asked")

    monkeypatch.setattr(BaseSettings, "_settings_build_values", classmethod(fail))


def searched(cls, **values):
    config = cls.__new__(cls)
    ask_all(config, **values)
    return config


@pytest.mark.parametrize(
    ("cls", "values"),
    [(ChatAgentConfig, {}), (ChatAgentConfig, {"name": "Poet", "debug": True}), (OpenAIGPTConfig, {"timeout": 3})],
)
def test_a_config_is_the_one_that_a_search_would_find(cls, values):
    quick, slow = cls(**values), searched(cls, **values)

    assert quick.model_fields_set >= set(values)
    for name in cls.model_fields:
        assert (name in quick.model_fields_set) == (name in slow.model_fields_set)
    assert quick.model_dump() == slow.model_dump()


def test_nothing_is_searched_where_the_environment_names_nothing(unasked):
    assert ChatAgentConfig(name="Poet").name == "Poet"


@pytest.mark.parametrize("name", ["OPENAI_SEED", "openai_Seed"])
def test_a_variable_of_the_environment_is_read(monkeypatch, name):
    monkeypatch.setenv(name, "7")

    assert OpenAIGPTConfig().seed == 7
    assert OpenAIGPTConfig(seed=8).seed == 8

    monkeypatch.delenv(name)
    assert OpenAIGPTConfig().seed == OpenAIGPTConfig.model_fields["seed"].default


def test_a_prefix_that_is_set_afterwards_is_heeded(monkeypatch):
    class Local(OpenAIGPTConfig):
        pass

    Local()
    Local.model_config = SettingsConfigDict(env_prefix="LOCAL_")
    monkeypatch.setenv("LOCAL_SEED", "9")
    assert Local().seed == 9


def test_what_may_read_more_is_searched(tmp_path, monkeypatch):
    (tmp_path / "given").write_text("SIZE=3\n")
    monkeypatch.setenv("WIDTH", "4")

    class FromFile(BaseSettings):
        model_config = SettingsConfigDict(env_file=tmp_path / "given")
        size: int = 0

    class Renamed(BaseSettings):
        size: int = Field(0, validation_alias="width")

    class Nested(BaseSettings):
        model_config = SettingsConfigDict(env_nested_delimiter="__")
        size: int = 0

    class Own(BaseSettings):
        size: int = 0

        @classmethod
        def settings_customise_sources(cls, settings_cls, **sources):
            return (lambda: {"size": 5},)

    assert (FromFile().size, Renamed().size, Own().size) == (3, 4, 5)
    assert configs._names_read_by(Nested) is None
    assert BaseSettings.__init__ is not ask_all


def test_options_of_one_call_are_heeded(tmp_path):
    (tmp_path / "given").write_text("SIZE=3\n")

    class Plain(BaseSettings):
        size: int = 0

    assert Plain(_env_file=tmp_path / "given").size == 3
