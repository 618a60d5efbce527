"""System checks: each wrong setting is named with its value, and nothing of an agent's code is run to find it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import ERROR, INFO, WARNING, run_checks
from django.db import connections

ROOT = Path(__file__).parent.parent
FACTORY = {"FACTORY": "chat.demo.agents.assistant"}
WORKING_SQLITE = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode = wal"}


def found(*, deploy=False):
    """What the app's checks say, by id."""
    return {message.id: message for message in run_checks(tags=["chat"], include_deployment_checks=deploy)}


def the_one(id, **options):
    """The only message there is."""
    messages = run_checks(tags=["chat"], include_deployment_checks=bool(options))
    assert [message.id for message in messages] == [id]
    return messages[0]


@pytest.fixture
def factories(tmp_path, monkeypatch):
    """A package on the path whose import would fail, and in it modules that bind names in many ways."""
    package = tmp_path / "factories"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\nmade_here = 1\n")
    (package / "broken.py").write_text("def (:\n")
    (package / "lazy.py").write_text("def __getattr__(name): ...\n")
    (package / "star.py").write_text("from somewhere import *\n")
    (package / "plain.py").write_text(
        """
raise RuntimeError("imported")
import os.path, json as parser
from elsewhere import borrowed, other as renamed
def function(context): inner = 1
async def waiting(context): ...
class Maker: attribute = 1
assigned = lambda context: None
first, (second, *rest) = 1, (2, 3)
annotated: int = 1
if os:
    def conditional(context): ...
try:
    from fast import quick
except ImportError:
    quick = None
listed = [element for element in ()]
"""
    )
    (tmp_path / "namespace").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    return "factories"


def test_the_project_itself_has_nothing_to_say():
    assert found() == {}


# -- the agents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [{}, [], "chat.demo.agents.assistant", None], ids=repr)
def test_agents_are_a_dict_with_at_least_one(settings, value):
    settings.CHAT_AGENTS = value
    message = the_one("chat.E001")
    assert message.level == ERROR and "CHAT_AGENTS" in message.msg and repr(value) in message.msg


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("chat.demo.agents.assistant", "CHAT_AGENTS['a'] must be a dict, not 'chat.demo.agents.assistant'"),
        (None, "CHAT_AGENTS['a'] must be a dict, not None"),
        ({"NAME": "A"}, "CHAT_AGENTS['a'] has no 'FACTORY'"),
    ],
)
def test_an_entry_is_a_dict_with_a_factory(settings, entry, said):
    settings.CHAT_AGENTS = {"good": FACTORY, "a": entry}
    assert said in the_one("chat.E002").msg


@pytest.mark.parametrize("key", [1, "", "k" * 101])
def test_the_key_of_an_agent_is_a_short_text(settings, key):
    settings.CHAT_AGENTS = {key: FACTORY}
    assert repr(key) in the_one("chat.E002").msg


@pytest.mark.parametrize(
    ("key", "meant"), [("STARTER", "STARTERS"), ("factori", "FACTORY"), ("Options", "OPTIONS"), ("XYZ", None)]
)
def test_an_unknown_key_is_named_with_the_one_that_was_meant(settings, key, meant):
    settings.CHAT_AGENTS = {"a": {**FACTORY, key: "x"}}
    message = the_one("chat.E003")
    assert repr(key) in message.msg and message.hint == (f"Did you mean {meant}?" if meant else None)


@pytest.mark.parametrize(
    ("key", "value"),
    [("NAME", 1), ("STARTERS", "one"), ("STARTERS", ["one", 2]), ("OPTIONS", []), ("GREETING", None), ("FACTORY", 3)],
)
def test_wrong_types_of_an_entry_are_named(settings, key, value):
    settings.CHAT_AGENTS = {"a": {**FACTORY, key: value}}
    message = the_one("chat.E004")
    assert f"CHAT_AGENTS['a'][{key!r}]" in message.msg and repr(value) in message.msg


@pytest.mark.parametrize(
    ("limits", "code", "hint"),
    [
        ({"MODEL_CALL": 3}, "chat.E003", "Did you mean MODEL_CALLS?"),
        ({"STEPS": "many"}, "chat.E004", None),
        ({"COST": -1}, "chat.E004", None),
    ],
)
def test_wrong_limits_of_an_entry_are_named(settings, limits, code, hint):
    settings.CHAT_AGENTS = {"a": {**FACTORY, "LIMITS": limits}}
    message = the_one(code)
    assert "CHAT_AGENTS['a']['LIMITS']" in message.msg and message.hint == hint


@pytest.mark.parametrize(
    "name",
    "function waiting Maker assigned first second rest annotated conditional quick borrowed renamed os parser".split(),
)
def test_a_name_is_found_without_an_import(settings, factories, name):
    settings.CHAT_AGENTS = {"a": {"FACTORY": f"factories.plain.{name}"}}
    assert found() == {}
    assert "factories" not in sys.modules


@pytest.mark.parametrize("path", ["factories.lazy.anything", "factories.star.anything", "factories.made_here"])
def test_what_the_source_cannot_tell_is_let_pass(settings, factories, path):
    settings.CHAT_AGENTS = {"a": {"FACTORY": path}}
    assert found() == {}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("factories.plain.functoin", "the module 'factories.plain' has no 'functoin'"),
        ("factories.plain.inner", "no 'inner'"),
        ("factories.plain.attribute", "no 'attribute'"),
        ("factories.plain.element", "no 'element'"),
        ("factories.plain.other", "no 'other'"),
        ("factories.absent.function", "there is no module 'factories.absent'"),
        ("factories.plain.function.deeper", "there is no module 'factories.plain.function'"),
        ("absent.function", "there is no module 'absent'"),
        ("namespace.function", "the module 'namespace' has no 'function'"),
        ("factories.broken.function", "cannot be read"),
        ("function", "no dotted path"),
        ("", "no dotted path"),
        ("factories..function", "no dotted path"),
        ("factories/plain.py", "no dotted path"),
        ("json.dumps()", "no dotted path"),
    ],
)
def test_a_factory_that_is_not_there_is_named(settings, factories, path, said):
    settings.CHAT_AGENTS = {"a": {"FACTORY": path}}
    message = the_one("chat.E005")
    assert "CHAT_AGENTS['a']['FACTORY']" in message.msg and repr(path) in message.msg and said in message.msg
    assert message.hint and "factories" not in sys.modules


def test_a_misspelt_factory_comes_with_the_name_that_was_meant(settings, factories):
    settings.CHAT_AGENTS = {"a": {"FACTORY": "factories.plain.functoin"}}
    assert the_one("chat.E005").hint == "Did you mean function?"


def test_a_compiled_module_is_not_read(settings):
    settings.CHAT_AGENTS = {"a": {"FACTORY": "math.sqrt"}}
    assert found() == {}


def test_the_default_agent_is_one_of_the_agents(settings):
    settings.CHAT_AGENTS, settings.CHAT_DEFAULT_AGENT = {"helper": FACTORY, "poet": FACTORY}, "helpr"
    message = the_one("chat.E006")
    assert "CHAT_DEFAULT_AGENT is 'helpr'" in message.msg and message.hint == "Did you mean helper?"
    settings.CHAT_DEFAULT_AGENT = "zzz"
    assert "helper, poet" in the_one("chat.E006").hint
    settings.CHAT_DEFAULT_AGENT = "poet"
    assert found() == {}


# -- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_SESSIONS", "200"),
        ("MAX_SESSIONS", True),
        ("MAX_SESSIONS", 2.5),
        ("MAX_SESSIONS", None),
        ("GRACE_SECONDS", "1"),
        ("GRACE_SECONDS", float("nan")),
        ("STOP_SECONDS", float("inf")),
        ("STREAM", "false"),
        ("STREAM", 1),
        ("SITE_NAME", 5),
        ("DEFAULT_AGENT", []),
        ("ALLOWED_ORIGINS", "https://chat.example.org"),
        ("TEMPERATURE", "0.5"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(settings, name, value):
    setattr(settings, f"CHAT_{name}", value)
    message = the_one("chat.E007")
    assert f"CHAT_{name} must be" in message.msg and repr(value) in message.msg and message.hint


@pytest.mark.parametrize(("name", "value"), [("GRACE_SECONDS", 5), ("TEMPERATURE", None), ("ALLOWED_ORIGINS", ())])
def test_values_of_the_right_type_pass(settings, name, value):
    setattr(settings, f"CHAT_{name}", value)
    assert found() == {}


@pytest.mark.parametrize(
    ("name", "value"), [("LEASE_SECONDS", 1.5), ("MAX_SESSIONS", 0), ("MODEL_RETRIES", -1), ("TEMPERATURE", -0.1)]
)
def test_a_value_below_the_least_is_named(settings, name, value):
    setattr(settings, f"CHAT_{name}", value)
    assert f"CHAT_{name} is {value}; the least is" in the_one("chat.E008").msg


def test_a_key_of_the_wrong_type_is_not_shown(settings):
    settings.CHAT_API_KEY = b"sk-secret"
    assert "sk-secret" not in (message := the_one("chat.E007")).msg and "CHAT_API_KEY" in message.msg


def test_a_limit_that_no_frame_can_reach_is_a_warning(settings):
    settings.CHAT_MAX_MESSAGE_CHARS = 100_000
    assert "CHAT_MAX_MESSAGE_CHARS is 100000" in the_one("chat.W004").msg


@pytest.mark.parametrize(
    "origin",
    [
        "chat.example.org",
        "chat.example.org:8000",
        "//chat.example.org",
        "https://",
        "https://*.example.org",
        "*",
        "https://chat.example.org/",
        "https://chat.example.org/chat",
        "https://chat.example.org?x=1",
        "https://me:pw@chat.example.org",
        "https://chat.example.org:port",
        "https://chat.example.org:99999",
        "https://chat.example.org:0",
        "https://chat example.org",
        "ftp://chat.example.org",
        "https://[::1",
        "",
        5,
    ],
)
def test_what_is_no_origin_is_named(settings, origin):
    settings.CHAT_ALLOWED_ORIGINS = ["https://good.example.org", origin]
    message = the_one("chat.E009")
    assert "CHAT_ALLOWED_ORIGINS" in message.msg and repr(origin) in message.msg


@pytest.mark.parametrize("origin", ["http://localhost:5173", "https://chat.example.org", "http://[::1]:8000"])
def test_origins_pass(settings, origin):
    settings.CHAT_ALLOWED_ORIGINS = [origin]
    assert found() == {}


def test_a_misspelt_setting_is_a_warning_with_the_name_that_was_meant(settings):
    settings.CHAT_GRACE_SECOND = 5
    message = the_one("chat.W001")
    assert message.level == WARNING and "CHAT_GRACE_SECOND" in message.msg
    assert message.hint == "Did you mean CHAT_GRACE_SECONDS?"


# -- what the chat stands on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [{}, {"other": {"BACKEND": "chat.layers.InMemoryLayer"}}])
def test_without_a_channel_layer_there_is_an_error(settings, layers):
    settings.CHANNEL_LAYERS = layers
    assert the_one("chat.E010").level == ERROR


def test_the_layer_that_loses_messages_is_a_warning_that_names_the_other(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}
    message = the_one("chat.W002")
    assert message.level == WARNING and "pubsub" in message.hint
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}}
    assert found() == {}


@pytest.mark.parametrize(
    "options", [{}, {"transaction_mode": "IMMEDIATE"}, {**WORKING_SQLITE, "transaction_mode": "DEFERRED"}]
)
@pytest.mark.parametrize(("debug", "level"), [(True, INFO), (False, WARNING)])
def test_sqlite_without_its_options_is_told_of(settings, monkeypatch, options, debug, level):
    settings.DEBUG = debug
    monkeypatch.setitem(settings.DATABASES, "default", {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": options})
    message = the_one("chat.W003")
    assert message.level == level and "IMMEDIATE" in message.hint and "WAL" in message.hint


@pytest.mark.parametrize(
    "database",
    [
        {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": WORKING_SQLITE},
        {"ENGINE": "django.db.backends.postgresql"},
    ],
)
def test_databases_that_take_several_writers_pass(settings, monkeypatch, database):
    monkeypatch.setitem(settings.DATABASES, "default", database)
    assert found() == {}


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("CHAT_ALLOW_ANONYMOUS", "chat.W010"),
        ("CHAT_COMPATIBLE_PROFILE", "chat.W011"),
        ("CHAT_COMPATIBLE_SESSION_IDS", "chat.E012"),
    ],
)
def test_open_doors_are_told_of_at_deployment(settings, name, id):
    settings.DEBUG = False
    assert found(deploy=True) == {}
    setattr(settings, name, True)
    assert name in the_one(id, deploy=True).msg
    assert found() == {}


def test_open_doors_are_for_development(settings):
    settings.DEBUG = settings.CHAT_ALLOW_ANONYMOUS = settings.CHAT_COMPATIBLE_PROFILE = True
    assert found(deploy=True) == {}


def test_the_checks_run_with_the_management_command():
    code = """
import sys, django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "chat"],
    CHANNEL_LAYERS={"default": {"BACKEND": "chat.layers.InMemoryLayer"}},
    CHAT_AGENTS={"a": {"FACTORY": "chat.demo.agents.asistant"}},
)
django.setup()
from django.core.management import call_command
try:
    call_command("check")
except Exception as error:
    print(error)
sys.exit("langroid" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "(chat.E005) CHAT_AGENTS['a']['FACTORY'] is 'chat.demo.agents.asistant'" in done.stdout
    assert "Did you mean assistant?" in done.stdout


@pytest.mark.parametrize("vendor", ["mysql", "oracle", "microsoft"])
def test_a_database_that_the_chat_does_not_know_is_refused(monkeypatch, vendor):
    monkeypatch.setattr(connections["default"], "vendor", vendor)
    assert vendor in found()["chat.E013"].msg and "PostgreSQL" in found()["chat.E013"].hint


def test_a_sqlite_without_returning_is_refused(monkeypatch):
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr("sqlite3.sqlite_version", "3.34.1")
    assert "3.34.1" in found()["chat.E013"].msg


class ToReplica:
    """What many projects have: reading goes to a copy."""

    def db_for_read(self, model, **hints):
        return "replica"


class ElsewhereOthers:
    """A router of other apps."""

    def db_for_write(self, model, **hints):
        return "other" if model._meta.app_label == "sessions" else None


def test_a_router_that_sends_the_chat_elsewhere_is_refused(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.ToReplica"]
    assert "replica" in found()["chat.E014"].msg
    settings.DATABASE_ROUTERS = [f"{__name__}.ElsewhereOthers"]
    assert "chat.E014" not in found()
