"""Settings of the example project, and the only reader of the environment.

Without any variable this is a development server: SQLite, an in-memory channel layer, the mock model, DEBUG.
`DEBUG=false` makes it a production server, which then asks for SECRET_KEY and ALLOWED_HOSTS. Variables may stand in
the file `.env` beside manage.py; each is described in `docs/settings.md`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from webui_project import environment
from webui_project.secret import development_secret

BASE_DIR = Path(__file__).resolve().parent.parent

env = environment.read(os.environ, BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", True)
HTTPS = env.bool("HTTPS", not DEBUG)  # people reach the site through TLS
DATA_DIR = Path(env.str("DATA_DIR", str(BASE_DIR / "var")))  # database, attachments, development secret
DATA_DIR.mkdir(parents=True, exist_ok=True)

SECRET_KEY = env.str("SECRET_KEY", development_secret(DATA_DIR / "secret_key")) if DEBUG else env.str("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # former ones, which are still believed
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])  # empty with DEBUG: this machine only
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# ---- The chat ----

# Yours go here: docs/agents.md.
CHAT_AGENTS = {
    "assistant": {
        "FACTORY": "chat.demo.agents.assistant",
        "NAME": "Assistant",
        "DESCRIPTION": "A chat with the model.",
        "STARTERS": ["What can you do?", "Show me some Markdown", "Tell me a long story"],
    },
    "toolbox": {
        "FACTORY": "chat.demo.agents.toolbox",
        "NAME": "Toolbox",
        "DESCRIPTION": "Calculates and knows the time, with tools.",
        "STARTERS": ["What is (17 + 4) * 2?", "What time is it in UTC?"],
    },
    "writing_team": {
        "FACTORY": "chat.demo.agents.writing_team",
        "NAME": "Writing team",
        "DESCRIPTION": "A writer who asks a critic before you see the poem.",
        "STARTERS": ["Write a poem about the sea"],
        "COMMANDS": [
            {"NAME": "poem", "TEXT": "Write a poem about {argument}", "DESCRIPTION": "A short poem about something"},
            {"NAME": "haiku", "TEXT": "Write a haiku about {argument}", "DESCRIPTION": "Three lines"},
        ],
        "STYLES": {"Critic": {"COLOUR": "#7a3b8f"}},
    },
    "showcase": {
        "FACTORY": "chat.demo.showcase.showcase",
        "NAME": "Showcase",
        "DESCRIPTION": "Shows tables, pictures, sound, JSON, diffs, files, steps and sources.",
        "STARTERS": [
            "Show me a table and a chart",
            "Show me the steps",
            "What are your sources?",
            "Show me everything",
        ],
    },
    "analyst": {
        "FACTORY": "chat.demo.analyst.analyst",
        "NAME": "Analyst",
        "DESCRIPTION": "Describes and draws the CSV file that you give it, or asks for one.",
        "STARTERS": ["Describe my table.", "Draw it.", "Write a report."],
    },
    "librarian": {
        "FACTORY": "chat.demo.librarian.librarian",
        "NAME": "Librarian",
        "DESCRIPTION": "Knows three books: by SQL, by search, and with its sources.",
        "STARTERS": ["Show me the list of books", "Who is called Ishmael?"],
        "OPENING": "Welcome the user to the library, in one sentence.",
        "CARDS": {"query_books": "sql", "find_books": "search"},
        "LIMITS": {"MODEL_CALLS": 20, "SECONDS": 300},
    },
    "postman": {
        "FACTORY": "chat.demo.agents.postman",
        "NAME": "Postman",
        "DESCRIPTION": "Sends letters, once you have approved them.",
        "STARTERS": ["Invite alice@example.org to lunch on Friday."],
        "APPROVE": ["send_letter"],
    },
    "receptionist": {
        "FACTORY": "chat.demo.agents.receptionist",
        "NAME": "Receptionist",
        "DESCRIPTION": "Asks in every way: a choice, a form, an approval, a text.",
        "STARTERS": ["I should like a room."],
    },
    "counter": {
        "FACTORY": "chat.demo.agents.counter",
        "NAME": "Counter",
        "DESCRIPTION": "Keeps a sum that goes back with the conversation.",
        "STARTERS": ["Add 10.", "Add 5."],
        "SUGGESTIONS": "chat.demo.agents.next_numbers",
        "SETTINGS": "chat.demo.agents.Counting",
        "SHOW": {"TOOLS": "names"},
    },
}
vars().update(environment.chat_settings(env))  # every CHAT_* setting that the environment sets

# ---- Applications ----

INSTALLED_APPS = [
    "webui_project",  # before daphne: its runserver is daphne's, with the production limits and a clean end
    "daphne",
    "chat",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "webui_project.sign_in.SignInMiddleware",  # so early that a refusal costs little
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",  # the language that the browser asks for
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",  # leaves the chat's pages alone: they set a policy of their own
    "axes.middleware.AxesMiddleware",  # must be the last: it replaces the answer to a locked-out sign-in
]

ROOT_URLCONF = "webui_project.urls"
ASGI_APPLICATION = "webui_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "en-us"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # those that the chat is translated to
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---- Database ----

# Not made from a URL: a folder may have marks in its name that mean something there.
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "chat.sqlite3")}
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url("DATABASE_URL") if "DATABASE_URL" in env else SQLITE}
_database = DATABASES["default"]
_database["CONN_MAX_AGE"] = 0  # a connection per waiting agent thread would use up the server's
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # Readers beside one writer (WAL), and a transaction that takes the write lock when it begins: without IMMEDIATE
    # a transaction that reads first is refused with "database is locked" as soon as two threads write.
    _database.setdefault("OPTIONS", {}).update(
        timeout=4,  # then who has the lock is another program, and a person hears of it
        transaction_mode="IMMEDIATE",
        # cache_size: 2 MB by default, for each connection that is kept; the system keeps the file's pages anyway.
        init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-512",
    )
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database.setdefault("OPTIONS", {}).setdefault(
        "pool",
        {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", 20), "timeout": 3},  # then a page is refused
    )
    _database["CONN_HEALTH_CHECKS"] = True  # a restart of the server breaks every connection in the pool

# ---- Channel layer ----

REDIS_URL = env.str("REDIS_URL", "")
if REDIS_URL:
    # Not channels_redis.core: its one mailbox of 100 messages per process loses most of the load silently.
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "chat.redis_layer.RedisLayer",
            "CONFIG": {
                "hosts": [
                    {
                        "address": REDIS_URL,
                        "socket_connect_timeout": 2,
                        "health_check_interval": 15,
                    }
                ]
            },
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "chat.layers.InMemoryLayer", "CONFIG": {"capacity": 2000}}}

# ---- Static files ----

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "chat.assets.BundleFinder",
]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Attachments: outside of what any server serves as files.
    "chat": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "attachments"},
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
if bucket := env.str("ATTACHMENTS_BUCKET", ""):  # address and keys: the AWS_ variables, which boto3 reads itself
    STORAGES["chat"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {"bucket_name": bucket, "file_overwrite": False, "default_acl": None},
    }
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG  # from the sources while developing, else from STATIC_ROOT
WHITENOISE_ALLOW_ALL_ORIGINS = False

# ---- Sign-in ----

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_HANDLER = "webui_project.sign_in.SignInHandler"
AXES_CLIENT_IP_CALLABLE = "chat.addresses.address_of_request"
SIGN_IN_FAILURES_PER_ADDRESS = env.int("SIGN_IN_FAILURES_PER_ADDRESS", 50)  # in that time, with whatever names
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # so that a stranger cannot lock out a person elsewhere
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False

# ---- Browser security ----

SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Of a request; longer: 413 (body_limit.py).
MAX_BODY_BYTES = max(10_485_760, env.int("CHAT_MAX_ATTACHMENT_BYTES", 20_000_000) + 1000)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
if HTTPS:
    # The prefix makes a browser refuse these cookies from a neighbouring domain and without TLS.
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # asked by the machine itself, without TLS
    SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 3600)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", False)
    SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", False)
    # Both are promises for the whole domain, which only its owner can make.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if env.bool("BEHIND_PROXY", False):
    # Only behind a proxy that overwrites this header: anyone else could claim TLS.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# ---- Logging ----

LOG_LEVEL = env.str("LOG_LEVEL", "INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "webui_project.logs.Redacted", "format": "{asctime} {levelname} {name}: {message}", "style": "{"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    # Django gives these two handlers of their own (django/utils/log.py): each line would appear twice.
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.db.backends": {"level": "INFO"},  # at DEBUG it writes each query's values: what people have said
        "chat": {"level": LOG_LEVEL},
        "webui_project": {"level": LOG_LEVEL},
    },
}
