"""Settings of the measured server: the example project's, without the limits that protect it from load."""

from webui_project.settings import *  # noqa: F403

DEBUG = False
HTTPS = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = False
ALLOWED_HOSTS = ["127.0.0.1"]
STORAGES["staticfiles"] = {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"}  # noqa: F405
CHAT_ALLOW_ANONYMOUS = True
CHAT_AGENTS = {"assistant": {"FACTORY": "chat.demo.agents.assistant", "NAME": "Assistant"}}
CHAT_TURNS_PER_MINUTE = 100_000
CHAT_MAX_SESSIONS = 5_000
CHAT_FRAMES_PER_SECOND = CHAT_FRAMES_BURST = 10_000
CHAT_MAX_SOCKETS_PER_IP = CHAT_VISITORS_PER_MINUTE = 0
CHAT_VISITOR_TURNS_PER_MINUTE = CHAT_MAX_RUNNING_VISITOR_TURNS = 0
