"""The mends of the example project, with what each stands on."""

from __future__ import annotations

from chat.mends.mend import Mend, Needs

BODY_LIMIT = Mend(
    name="body limit",
    place="webui_project/body_limit.py",
    packages=("daphne",),
    needs=(
        Needs("daphne.http_protocol", "WebRequest"),
        Needs("daphne.http_protocol", "WebRequest.process"),
        Needs("daphne.http_protocol", "HTTPFactory.buildProtocol", mentions="WebRequest requestFactory"),
        Needs("twisted.web.http", "Request.gotLength", takes="length"),
        Needs("twisted.web.http", "Request.handleContentChunk", takes="data"),
    ),
    without="Daphne reads a body whole before it is refused",
)

RELOADER = Mend(
    name="reloader",
    place="webui_project/reloader.py",
    packages=("Django",),
    needs=(
        Needs("django.utils.autoreload", "DJANGO_AUTORELOAD_ENV"),
        Needs("django.utils.autoreload", "get_reloader"),
        Needs("django.utils.autoreload", "BaseReloader.run", takes="django_main_thread"),
        Needs("django.utils.autoreload", "trigger_reload", mentions="exit"),
        Needs("django.utils.autoreload", "check_errors", takes="fn"),
        Needs("django.utils.autoreload", "get_child_arguments"),
    ),
    without="the server runs without a reloader",
)

RUNSERVER = Mend(
    name="runserver",
    place="webui_project/management/commands/runserver.py",
    packages=("daphne",),
    needs=(
        Needs("daphne.management.commands.runserver", "Command.server_cls"),
        Needs("daphne.management.commands.runserver", "Command.inner_run", mentions="server_cls"),
        Needs(
            "daphne.server",
            "Server.__init__",
            takes="websocket_timeout websocket_connect_timeout ping_interval ping_timeout application_close_timeout"
            " server_name",
        ),
    ),
    without="the development server has no limits",
)

MENDS = (BODY_LIMIT, RELOADER, RUNSERVER)
