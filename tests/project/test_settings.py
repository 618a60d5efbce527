"""The example project's settings, read from the environment by a process of their own."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from webui_project import environment

ROOT = Path(__file__).parents[2]
PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": "f3Jx0kQ9vBn7LrTz2WmYp5Hd8sGc4aEu6iOqRtVwXyZ1bNkMlP",
    "ALLOWED_HOSTS": "chat.example.org",
}


@pytest.fixture
def run(tmp_path: Path):
    """Run Python with these variables; none of the developer's own, and data in a folder of its own."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
        system = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "webui_project.settings"}
        return subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=system | own | variables, capture_output=True, text=True
        )

    return run


@pytest.fixture
def setting(run):
    """Return the value of a setting under these variables."""

    def setting(name: str, **variables: str):
        code = f"import json; from django.conf import settings; print(json.dumps(settings.{name}, default=str))"
        done = run("-c", code, **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return setting


def test_production_passes_djangos_deployment_check(run):
    run("manage.py", "collectstatic", "--noinput", **PRODUCTION)

    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr + done.stdout


def test_production_asks_for_its_secret_key_by_name(run):
    done = run("manage.py", "check", DEBUG="false")

    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr.splitlines()[-1]


def test_a_development_secret_is_made_once_and_for_this_account_alone(setting, tmp_path):
    first, second = setting("SECRET_KEY"), setting("SECRET_KEY")

    assert first == second and len(first) > 50
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_chat_settings_come_from_the_environment_in_their_types(setting):
    assert setting("CHAT_GRACE_SECONDS", CHAT_GRACE_SECONDS="7.5") == 7.5
    assert setting("CHAT_MAX_SESSIONS", CHAT_MAX_SESSIONS="9") == 9
    assert setting("CHAT_STREAM", CHAT_STREAM="off") is False
    assert setting("CHAT_ALLOWED_ORIGINS", CHAT_ALLOWED_ORIGINS="http://a:1,https://b") == ["http://a:1", "https://b"]
    assert setting("CHAT_AGENTS", CHAT_AGENTS='{"poet": {"FACTORY": "x.y"}}') == {"poet": {"FACTORY": "x.y"}}


def test_well_known_names_set_the_models_settings(setting):
    assert setting("CHAT_API_KEY", OPENAI_API_KEY="sk-1") == "sk-1"
    assert setting("CHAT_API_BASE", OPENAI_API_BASE="http://m/v1") == "http://m/v1"
    assert setting("CHAT_MOCK_MODEL", USE_MOCK_LLM="true") is True
    assert setting("CHAT_API_KEY", OPENAI_API_KEY="sk-1", CHAT_API_KEY="sk-2") == "sk-2"


def test_a_value_of_the_wrong_type_is_reported_with_its_name(run):
    done = run("manage.py", "check", CHAT_MAX_SESSIONS="many")

    assert "CHAT_MAX_SESSIONS is not a valid int" in done.stderr.splitlines()[-1]


def test_an_empty_value_counts_as_not_set(run):
    assert run("manage.py", "check", CHAT_TEMPERATURE="", SECRET_KEY="", DATABASE_URL="").returncode == 0


def test_dotenv_sets_what_the_environment_does_not_and_stays_out_of_it(tmp_path):
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-file\nCHAT_MODEL=from-file\n")
    code = f"""
import os, pathlib
from webui_project import environment
os.environ["CHAT_MODEL"] = "from-environment"
env = environment.read(os.environ, pathlib.Path({str(tmp_path / ".env")!r}))
print(dict(environment.chat_settings(env)), "OPENAI_API_KEY" in os.environ)
"""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CHAT_", "OPENAI_"))}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean, capture_output=True, text=True)

    assert done.stdout.strip() == "{'CHAT_MODEL': 'from-environment', 'CHAT_API_KEY': 'sk-file'} False", done.stderr


@pytest.fixture
def dotenv(tmp_path):
    """Read a `.env` with this text, and nothing else; return what is reported."""

    def dotenv(text: str):
        (tmp_path / ".env").write_bytes(text.encode())
        return environment.read({}, tmp_path / ".env")

    return dotenv


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("CHAT_MODEL = gpt-4o", "gpt-4o"),
        ("  CHAT_MODEL=gpt-4o  ", "gpt-4o"),
        ("export CHAT_MODEL=gpt-4o", "gpt-4o"),
        ("CHAT_MODEL='gpt 4o'", "gpt 4o"),
        ('CHAT_MODEL = "gpt\\n4o"', "gpt\n4o"),
        ("CHAT_MODEL=gpt-4o # the small one", "gpt-4o"),
        ("CHAT_MODEL=gpt#4o", "gpt#4o"),
        ("CHAT_MODEL=gpt-4o\r", "gpt-4o"),
        ("CHAT_MODEL=a=b==", "a=b=="),
        ("CHAT_MODEL=gpt${4o}", "gpt${4o}"),
        ("CHAT_MODEL=$HOME", "$HOME"),
        ("CHAT_MODEL='$2b$12$x'", "$2b$12$x"),
    ],
)
def test_a_line_of_dotenv_is_read_as_elsewhere(dotenv, line, value):
    assert dict(environment.chat_settings(dotenv(f"\ufeff# a comment\n\n{line}\n"))) == {"CHAT_MODEL": value}


@pytest.mark.parametrize(
    "line",
    [
        "sk-secret-1",
        "OPENAI_API_KEY: sk-secret-1",
        "OPENAI_API_KEY:sk-secret-1=",
        'KEY="sk-secret-1',
        "A B=sk-secret-1",
    ],
)
def test_a_line_of_dotenv_that_is_none_is_named_by_its_number_alone(dotenv, line):
    with pytest.raises(ImproperlyConfigured) as caught:
        dotenv(f"DEBUG=true\n\n{line}\nLOG_LEVEL=INFO\n")

    assert str(caught.value) == ".env: cannot read line 3 as NAME=value"


def test_a_line_of_dotenv_that_is_none_fails_check_and_its_text_is_nowhere(tmp_path):
    shutil.copytree(ROOT / "webui_project", tmp_path / "webui_project")
    shutil.copy(ROOT / "manage.py", tmp_path)
    (tmp_path / "chat").symlink_to(ROOT / "chat")
    (tmp_path / ".env").write_text("OPENAI_API_KEY sk-secret-1\n")
    system = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, cwd=tmp_path, env=system, capture_output=True, text=True)

    assert done.returncode != 0
    assert "cannot read line 1" in done.stderr
    assert "sk-secret" not in done.stderr + done.stdout


def test_a_secret_may_stand_in_a_file(setting, tmp_path):
    (tmp_path / "key").write_text("sk-in-file")

    assert setting("CHAT_API_KEY", OPENAI_API_KEY_FILE=str(tmp_path / "key")) == "sk-in-file"


def test_sqlite_waits_for_the_lock_instead_of_failing(setting):
    options = setting("DATABASES")["default"]["OPTIONS"]

    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] == 4
    assert "journal_mode=WAL" in options["init_command"]


def test_the_project_runs_on_postgresql_with_a_pool(run, postgres_url):
    migrated = run("manage.py", "migrate", "--verbosity", "0", DATABASE_URL=postgres_url)
    assert migrated.returncode == 0, migrated.stderr

    code = """
import django; django.setup()
from django.contrib.auth.models import User
from django.db import connection
print(User.objects.count(), connection.vendor, connection.pool.max_size)
connection.close_pool()
"""
    assert run("-c", code, DATABASE_URL=postgres_url).stdout.split() == ["0", "postgresql", "20"]


def test_redis_url_selects_the_layer_that_carries_group_messages(run, redis_url):
    code = """
import asyncio, django; django.setup()
from channels.layers import get_channel_layer

async def round_trip():
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    await layer.group_send("group", {"type": "chat.test"})
    print(type(layer).__module__, (await layer.receive(channel))["type"])

asyncio.run(round_trip())
"""
    done = run("-c", code, REDIS_URL=redis_url)

    assert done.stdout.split() == ["chat.redis_layer", "chat.test"], done.stderr


def test_without_redis_the_layer_is_in_memory(setting):
    assert setting("CHANNEL_LAYERS")["default"]["BACKEND"] == "chat.layers.InMemoryLayer"


@pytest.mark.parametrize("name", ["with a space", "a+b", "a#b", "a?b=c", "100%25", "Käse", "a:b@c"])
def test_the_database_is_in_the_data_folder_whatever_its_name(run, tmp_path, name):
    folder = tmp_path / name
    code = "from django.db import connection; connection.ensure_connection()"
    done = run("-c", f"import django; django.setup(); {code}", DATA_DIR=str(folder), LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert (folder / "chat.sqlite3").is_file() and list(tmp_path.iterdir()) == [folder]
