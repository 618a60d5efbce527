"""The recipe of `deploy/` as it stands: nginx with TLS before two processes, PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import http.cookiejar
import inspect
import os
import re
import shlex
import signal
import socket
import ssl
import string
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
import redis
import uvicorn
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import get_commands
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests import nginx, programs, servers
from tests.client import Client
from tests.pace import assert_within
from tests.project.test_docs import known_variables
from tests.servers import Server

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
MIB = 2**20


def command_of_unit() -> list[str]:
    """The arguments of uvicorn in the systemd unit."""
    unit = (DEPLOY / "systemd/langroid-chat@.service").read_text().replace("\\\n", " ")
    command = shlex.split(re.search("^ExecStart=(.*)$", unit, re.M)[1])
    return [argument.replace("%i", "{port}") for argument in command[1:]]


def environment_file() -> dict[str, str]:
    lines = (DEPLOY / "environment").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def make_certificate(folder: Path) -> Path:
    """Make a certificate for this machine, as files with certbot's names; return that of the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    formats = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "privkey.pem").write_bytes(key.private_bytes(pem, *formats))
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(pem))
    return folder / "fullchain.pem"


@dataclass
class Site:
    """The whole installation, as people reach it."""

    folder: Path
    http_port: int
    https_port: int
    processes: list[Server]
    database_url: str
    tls: ssl.SSLContext
    proxy: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.https_port}"

    @property
    def ws_url(self) -> str:
        return f"wss://localhost:{self.https_port}/ws/chat/"

    def open(self, path: str, **options) -> http.client.HTTPResponse:
        return urllib.request.urlopen(urllib.request.Request(self.url + path, **options), context=self.tls, timeout=60)

    def request(self, method: str, path: str, body: bytes = b"", *, source: str = "127.0.0.1", **headers: str):
        """Make one request from another address of this machine."""
        connection = http.client.HTTPSConnection(
            "localhost", self.https_port, context=self.tls, source_address=(source, 0), timeout=60
        )
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse()

    def visitor(self) -> dict[str, str]:
        jar = http.cookiejar.CookieJar()
        handlers = urllib.request.HTTPCookieProcessor(jar), urllib.request.HTTPSHandler(context=self.tls)
        urllib.request.build_opener(*handlers).open(f"{self.url}/", timeout=60).read()
        return {cookie.name: cookie.value for cookie in jar}

    def execute(self, statement: str) -> list[tuple]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def served(self, status: int, path: str) -> set[str]:
        """The processes that answered requests so."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return {line.split()[0] for line in lines if line.split()[1] == str(status) and path in line}

    def write_proxy(self) -> list[str]:
        """Write nginx's configuration; return the command that runs it."""
        template = string.Template((DEPLOY / "nginx.conf.template").read_text())
        first, second = self.processes
        values = {
            "SITE": "localhost",
            "SERVER_A": f"127.0.0.1:{first.port}",
            "SERVER_B": f"127.0.0.1:{second.port}",
            "LISTEN_HTTP": f"127.0.0.1:{self.http_port}",
            "LISTEN_HTTPS": f"127.0.0.1:{self.https_port}",
            "CERTIFICATES": str(self.folder),
            "STATIC": str(first.data_dir / "static"),
        }
        assert set(values) == set(re.findall(r"\$\{(\w+)\}", template.template))
        return nginx.write(self.folder, template.safe_substitute(values))


@pytest.fixture(scope="module")
def site(stub, tmp_path_factory) -> Iterator[Site]:
    folder, data = tmp_path_factory.mktemp("nginx"), tmp_path_factory.mktemp("data")
    (data / "secret").write_text("0123456789abcdefghij" * 3)
    with (
        programs.postgres_server() as database,
        programs.redis_server() as layer,
        pytest.MonkeyPatch.context() as patch,
    ):
        certificate = make_certificate(folder)
        patch.setenv("SSL_CERT_FILE", str(certificate))  # trusted by the checking client
        patch.setitem(servers.COMMANDS, "recipe", " ".join(["-m uvicorn", *command_of_unit()]))
        environment = environment_file() | {
            "ALLOWED_HOSTS": "localhost,127.0.0.1",  # the second: the tests ask each process whether it is ready
            "DATA_DIR": str(data),
            "DATABASE_URL": database.url,
            "REDIS_URL": layer.url,
            "SECRET_KEY_FILE": str(data / "secret"),
            "CHAT_API_BASE": stub.url,
            "CHAT_API_KEY": "sk-test-key",
            "CHAT_ALLOW_ANONYMOUS": "true",
            "CHAT_VISITORS_PER_MINUTE": "0",  # the tests come from few addresses
        }
        processes = [Server(data, kind="recipe", **environment) for _ in range(2)]
        tls = ssl.create_default_context(cafile=str(certificate))
        site = Site(folder, programs.free_port(), programs.free_port(), processes, database.url, tls)
        processes[0].manage("migrate", "--verbosity", "0")
        processes[0].manage("collectstatic", "--noinput", "--verbosity", "0")
        command = site.write_proxy()
        subprocess.run([*command, "-t"], check=True, capture_output=True)
        site.proxy = subprocess.Popen(command, cwd=folder)
        try:
            for process in processes:
                process.start(migrate=False)
            programs.wait_until(lambda: programs.accepts(site.https_port), site.proxy)
            yield site
        finally:
            for process in processes:
                process.stop()
            programs.end(site.proxy)


@pytest.fixture(scope="module")
def filled(site) -> str:
    """The cookies of a visitor with many conversations, as a header."""
    cookies = site.visitor()
    asyncio.run(_fill(site, cookies))
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


async def _fill(site, cookies: dict[str, str]) -> None:
    for number in range(6):
        async with Client(site.ws_url, cookies=cookies) as page:
            await page.say(f"conversation {number} with a title of some length")
            await page.idle()


# -- Caddy ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def caddy(site, tmp_path_factory) -> Iterator[Site]:
    """The same processes behind the recipe of the page about deployment."""
    folder = tmp_path_factory.mktemp("caddy")
    recipe = re.search(r"### Caddy\n.*?```\n(.*?)```", (ROOT / "docs/deployment.md").read_text(), re.S)[1]
    own = Site(site.folder, programs.free_port(), programs.free_port(), site.processes, site.database_url, site.tls)
    first, second = site.processes
    keys = f"tls {site.folder}/fullchain.pem {site.folder}/privkey.pem"
    for name, value in {
        "chat.example.org {": f"localhost:{own.https_port} {{\n{keys}",
        "127.0.0.1:8001 127.0.0.1:8002": f"127.0.0.1:{first.port} 127.0.0.1:{second.port}",
        "/var/lib/langroid-chat/static": f"{first.data_dir}/static",
    }.items():
        assert name in recipe
        recipe = recipe.replace(name, value)
    (folder / "Caddyfile").write_text(f"{{\nadmin off\nhttp_port {own.http_port}\n}}\n{recipe}")
    command = [programs.require("caddy"), "run", "--config", "Caddyfile"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=(folder / "log").open("wb"))
    try:
        programs.wait_until(lambda: programs.accepts(own.https_port), process)
        yield own
    finally:
        programs.end(process)


def test_caddy_compresses_for_the_site_s_own_pages_and_serves_files_from_the_disk(caddy, filled):
    for asker, encoding in (("same-origin", "gzip"), ("cross-site", None)):
        headers = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": asker, "Cookie": filled}
        answer = caddy.open("/", headers=headers)
        assert answer.headers["Content-Encoding"] == encoding
    files = re.findall(r'"(/static/[^"]+)"', answer.read().decode())
    assert len(files) >= 3
    for file in files:
        assert "immutable" in caddy.open(file).headers["Cache-Control"]


async def test_caddy_passes_sockets_on(caddy):
    async with Client(caddy.ws_url, cookies=caddy.visitor()) as page:
        await page.say("through Caddy")
        await page.idle()
        assert page.answer().strip()


# -- pages ------------------------------------------------------------------------------------------------------------


def test_the_page_and_its_files_come_through_the_proxy(site):
    page = site.open("/")
    files = re.findall(r'"(/static/[^"]+)"', page.read().decode())

    assert len(files) >= 3  # the bundles of scripts and of styles, the icon
    for file in files:
        answer = site.open(file)
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not file.endswith(".js") or "javascript" in answer.headers["Content-Type"]
    assert page.headers["Strict-Transport-Security"]
    assert all("secure" in cookie.lower() for cookie in page.headers.get_all("Set-Cookie"))
    assert not site.served(200, "/static/") - {"-"}  # from the disk


@pytest.mark.parametrize("path", ["/", "/api/conversations?limit=100"])
@pytest.mark.parametrize("site_of_asker, encoding", [("same-origin", "gzip"), ("none", "gzip"), ("cross-site", None)])
def test_html_and_json_are_compressed_for_this_site_s_own_pages(site, filled, path, site_of_asker, encoding):
    headers = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": site_of_asker, "Cookie": filled}
    answer = site.open(path, headers=headers)
    body = answer.read()
    assert answer.headers["Content-Encoding"] == encoding
    assert encoding is None or "Accept-Encoding" in answer.headers.get_all("Vary")
    assert len(gzip.decompress(body) if encoding else body) > 1000


def test_the_token_that_is_worth_guessing_is_another_one_in_each_answer(site, filled):
    pages = [site.open("/", headers={"Cookie": filled}).read().decode() for _ in range(2)]
    assert len({re.search(r'data-csrf="(\w+)"', page)[1] for page in pages}) == 2


def test_http_2_is_spoken(site):
    tls = ssl.create_default_context(cafile=str(site.folder / "fullchain.pem"))
    tls.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("localhost", site.https_port), timeout=5) as plain,
        tls.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"


def test_the_proxy_is_more_patient_than_the_ping_is_slow():
    recipe = (DEPLOY / "nginx.conf.template").read_text()
    options = inspect.signature(uvicorn.Config).parameters  # the unit changes none of the two
    assert not {"--ws-ping-interval", "--ws-ping-timeout"} & set(command_of_unit())
    silence = options["ws_ping_interval"].default + options["ws_ping_timeout"].default
    assert float(re.search(r"proxy_read_timeout (\d+)s", recipe)[1]) > silence


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_answered_through_the_proxy(site, path):
    assert site.open(path).status == 200


def test_a_process_is_asked_for_its_health_without_tls(site):
    for process in site.processes:
        assert urllib.request.urlopen(f"{process.url}/readyz", timeout=30).status == 200


def test_plain_http_is_sent_to_https(site):
    connection = http.client.HTTPConnection("localhost", site.http_port, timeout=30)
    connection.request("GET", "/c/x/")
    answer = connection.getresponse()

    assert (answer.status, answer.headers["Location"]) == (301, "https://localhost/c/x/")


# -- chatting ---------------------------------------------------------------------------------------------------------


async def test_a_conversation_goes_on_in_whatever_process_a_page_comes_to(site):
    async with Client(site.ws_url, cookies=site.visitor()) as page:
        for turn in range(6):
            await page.say(f"turn {turn} [[tokens=20 tps=100]]")
            if turn % 2:
                await page.event("stream_token")
                page.cut()
            await page.reconnect()
            await page.idle()

        assert [len(answer["content"].split()) for answer in page.messages()] == [20] * 6
        assert len(site.served(101, page.conversation)) == 2


async def test_pages_of_one_conversation_in_both_processes_see_the_same(site):
    cookies = site.visitor()
    async with Client(site.ws_url, cookies=cookies) as first:
        await first.say("hello [[tokens=3]]")
        await first.idle()
        async with Client(site.ws_url, cookies=cookies, conversation=first.conversation) as second:
            mark = len(first.events)
            await second.say("and again [[tokens=30 tps=100]]")
            await first.event("stream_token", after=mark)
            await second.idle()
            await first.idle(after=mark)
            assert first.records == second.records


@pytest.mark.parametrize("is_own", [True, False])
async def test_only_pages_of_the_site_itself_open_a_socket(site, is_own):
    origin = site.url if is_own else site.url.replace("https", "http")
    try:
        async with connect(f"{site.ws_url}?v=1", origin=origin):
            status = 101
    except InvalidStatus as error:
        status = error.response.status_code

    assert status == (101 if is_own else 403)


# -- the proxy's limits -----------------------------------------------------------------------------------------------


def test_a_long_body_ends_at_the_proxy(site):
    with pytest.raises(urllib.error.HTTPError) as caught:
        site.open("/accounts/login/?too-long", data=bytes(22 * MIB), method="POST")

    assert caught.value.code == 413
    programs.wait_until(lambda: site.served(413, "too-long"), site.proxy)
    assert site.served(413, "too-long") == {"-"}  # no process has seen it


def test_a_client_cannot_say_where_it_comes_from(site):
    page = site.request("GET", "/accounts/login/", source="127.0.0.2")
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.read().decode())[1]
    form = {"csrfmiddlewaretoken": token, "username": "mallory", "password": "wrong"}

    answer = site.request(
        "POST",
        "/accounts/login/",
        urlencode(form).encode(),
        source="127.0.0.2",
        Cookie=page.headers["Set-Cookie"].split(";")[0],
        Referer=f"{site.url}/accounts/login/",
        Content_Type="application/x-www-form-urlencoded",
        X_Forwarded_For="6.6.6.6",
        Forwarded="for=6.6.6.6;proto=http",
        X_Forwarded_Proto="http",
        X_Forwarded_Host="evil.example",
    )

    assert answer.status == 200, answer.read()  # the form again, and no redirect to HTTPS
    attempts = site.execute("SELECT host(ip_address) FROM axes_accessattempt WHERE username = 'mallory'")
    assert attempts == [("127.0.0.2",)]


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
def test_an_address_tries_to_sign_in_a_few_times_a_minute(site, path):
    source = "127.0.0.5" if "admin" in path else "127.0.0.6"
    looked = [site.request("GET", path, source=source).status for _ in range(20)]
    tried = [site.request("POST", path, source=source).status for _ in range(20)]  # 403: without the form's token

    assert set(looked) == {200}
    assert tried[:16] == [403] * 16 and tried[-1] == 429
    assert site.request("POST", path, source="127.0.0.7").status == 403


async def test_one_address_has_twenty_sockets(site):
    def socket_from(address: str):
        return connect(f"{site.ws_url}?v=1", local_addr=(address, 0), family=socket.AF_INET, open_timeout=30)

    sockets = [await socket_from("127.0.0.3") for _ in range(20)]
    try:
        with pytest.raises(InvalidStatus) as refused:
            await socket_from("127.0.0.3")
        other = await socket_from("127.0.0.4")
        await other.close()
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets))
    assert refused.value.response.status_code == 429


def test_a_header_that_trickles_in_is_not_waited_for(site):
    plain = socket.create_connection(("localhost", site.https_port), timeout=15)
    with site.tls.wrap_socket(plain, server_hostname="localhost") as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        began = time.monotonic()
        answer = slow.recv(100)

    assert time.monotonic() - began > 8
    assert_within(13, since=began)
    assert answer == b"" or b" 408 " in answer


# -- replacing processes ----------------------------------------------------------------------------------------------


async def come_back(page: Client) -> None:
    """Return as a page does: until a process takes it that stays."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await page.reconnect()
                if answer["type"] == "connection":
                    return
            except (InvalidStatus, ConnectionClosed, OSError, EOFError):
                pass
            await asyncio.sleep(0.2)  # a page's own pause


async def restart(process: Server) -> None:
    process.signal(signal.SIGTERM)
    await asyncio.to_thread(process.wait, 15)
    await asyncio.to_thread(process.start, migrate=False)


async def test_a_rolling_restart_loses_nothing_of_a_page_that_chats(site):
    async with Client(site.ws_url, cookies=site.visitor()) as page:
        away = []
        for turn in range(3):
            await page.say(f"turn {turn} [[tokens=30 tps=20]]")
            await page.event("stream_token")
            restarted = asyncio.create_task(restart(site.processes[turn % 2]))
            while not restarted.done():
                closed = asyncio.create_task(page.closed(timeout=60))
                await asyncio.wait([closed, restarted], return_when=asyncio.FIRST_COMPLETED)
                if page.close_code is not None:
                    away.append(page.close_code)
                    await come_back(page)
                closed.cancel()
            await restarted
            await page.wait(lambda _, turn=turn: len(page.messages()) == turn + 1)

        answers = page.messages()
        page.check()
    assert away and set(away) == {4012}
    assert [(answer["status"], len(answer["content"].split())) for answer in answers] == [("complete", 30)] * 3
    assert not [line for process in site.processes for line in process.log.splitlines() if "Traceback" in line]


async def test_processes_of_this_version_serve_a_database_that_the_next_one_has_migrated(site):
    """What docs/deployment.md allows a migration to do, done under a page that chats."""
    async with Client(site.ws_url, cookies=site.visitor()) as page:
        await page.say("before [[tokens=30 tps=30]]")
        await page.event("stream_token")
        site.execute("ALTER TABLE chat_message ADD COLUMN next_note text NULL")
        site.execute("ALTER TABLE chat_conversation ADD COLUMN next_kind text NOT NULL DEFAULT 'plain'")
        site.execute("CREATE TABLE chat_next (id bigserial, message uuid REFERENCES chat_message ON DELETE CASCADE)")
        site.execute("CREATE INDEX CONCURRENTLY chat_next_index ON chat_message (next_note)")
        site.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('chat', '9999_next', now())")
        await page.idle()
        await restart(site.processes[0])  # a process of the old version that starts late
        await come_back(page)
        await page.say("after [[tokens=5]]")
        await page.idle()

        async with Client(site.ws_url, cookies=site.visitor()) as other:
            await other.say("new [[tokens=5]]")
            await other.idle()
        assert [answer["status"] for answer in page.messages()] == ["complete"] * 2


# -- what the files name ----------------------------------------------------------------------------------------------


def test_django_s_own_checks_find_nothing_in_the_recipe(tmp_path):
    (tmp_path / "secret").write_text("0123456789abcdefghij" * 3)
    files = {"SECRET_KEY_FILE": str(tmp_path / "secret"), "DATA_DIR": str(tmp_path)}
    server = Server(tmp_path, settings="webui_project.settings", **environment_file() | files)

    assert "no issues" in server.manage("check", "--deploy", "--fail-level", "WARNING")


def test_the_environment_s_variables_exist():
    assert set(environment_file()) <= known_variables()


def test_systemd_accepts_the_units(tmp_path):
    systemd_analyze = programs.require("systemd-analyze")
    for unit in UNITS:
        here = unit.read_text().replace("/opt/langroid-chat/.venv/bin", str(Path(sys.executable).parent))
        (tmp_path / unit.name).write_text(here)

    done = subprocess.run(
        [systemd_analyze, "verify", *(str(tmp_path / unit.name) for unit in UNITS)], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_names_commands_and_variables_that_exist(unit):
    text = unit.read_text()

    assert set(re.findall(r"manage\.py (\w+)", text)) <= set(get_commands())
    assigned = " ".join(re.findall("^Environment=(.*)$", text, re.M))
    names = {name.removesuffix("_FILE") for name in re.findall(r"(?:^| )(\w+)=", assigned)}
    assert names <= known_variables()
    for unit_name in re.findall(r"langroid-chat[@\w.-]*\.(?:service|target|timer)", text):
        assert (unit.parent / unit_name).exists(), unit_name


def test_the_container_starts_the_server_as_the_unit_does():
    text = (DEPLOY / "Dockerfile").read_text()
    command = yaml.safe_load(re.search(r"^CMD (\[.*?\])$", text.replace("\\\n", ""), re.M | re.S)[1])
    outside = ["--host", "0.0.0.0", "--port", "8000", "--forwarded-allow-ips", "*"]

    assert command == ["uvicorn", *outside, *command_of_unit()[4:]]
    assert re.findall(r"^USER (.+)$", text, re.M) == ["chat"]
    heap = re.search(r"\bGLIBC_TUNABLES=\S+", text)[0]
    assert f"\nEnvironment={heap}\n" in (DEPLOY / "systemd/langroid-chat@.service").read_text()
    for source in re.findall(r"^COPY (\S+)", text, re.M):
        assert (ROOT / source).exists()


def test_compose_names_services_secrets_and_variables_that_exist():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    template = (DEPLOY / "nginx.conf.template").read_text()

    assert set(services["nginx"]["environment"]) == set(re.findall(r"\$\{(\w+)\}", template))
    assert services["nginx"]["environment"]["SERVER_A"].split(":")[0] in services
    assert services["nginx"]["environment"]["SERVER_B"].split(":")[0] in services
    for name, service in services.items():
        assert set(service.get("depends_on", [])) <= set(services), name
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
        volumes = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {volume for volume in volumes if not volume.startswith(".")} <= set(compose["volumes"]), name
        assert all((DEPLOY / volume).exists() for volume in volumes if re.search(r"\.\w+$", volume))
    variables = {name.removesuffix("_FILE") for name in services["app-a"]["environment"]}
    assert variables <= known_variables()
    shell = services["prepare"]["command"][-1]
    assert set(re.findall(r"manage\.py (\w+)", shell)) == {"migrate", "collectstatic"}
    for name, value in services["app-a"]["environment"].items():
        if name.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in services["app-a"]["secrets"]


# -- what breaks in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda path: path.name)
def test_a_unit_has_few_ways_out_and_limits(unit):
    systemd_analyze = programs.require("systemd-analyze")
    text = unit.read_text()

    rating = ["security", "--offline=yes", "--no-pager", "--threshold=20", str(unit)]  # in tenths: 2.0 of 10
    done = subprocess.run([systemd_analyze, *rating], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
    for limit in ("SystemCallFilter", "MemoryMax", "TasksMax"):
        assert re.search(rf"^{limit}=\S", text, re.M), limit


def services_of_compose() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


@pytest.mark.parametrize("name", services_of_compose())
def test_a_container_has_no_privilege_no_file_to_change_and_limits(name):
    service = services_of_compose()[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["mem_limit"] and service["pids_limit"]
    assert service["networks"] == ["back"] or name not in ("postgres", "redis")  # nobody outside reaches these


def test_the_application_is_no_superuser_of_its_database(tmp_path):
    """The script that PostgreSQL's image runs, and what the application does with the account."""
    psql = programs.require("psql")
    (tmp_path / "password").write_text("it's $ecret")
    there = "/run/secrets/database_password"
    script = (DEPLOY / "postgres/application.sh").read_text()
    (name,) = (secret for secret in services_of_compose()["postgres"]["secrets"] if secret in script)
    assert there.endswith(name)
    with programs.postgres_server() as database:
        system = {"PATH": f"{Path(psql).parent}:{os.environ['PATH']}", "PGHOST": "127.0.0.1"}
        script = script.replace(there, str(tmp_path / "password"))
        run = {"env": system | {"PGPORT": str(database.port)}, "capture_output": True, "text": True, "check": True}
        subprocess.run(["sh", "-c", script], **run)

        url = re.search(r"DATABASE_URL_FILE: \S+  # (\S+)", (DEPLOY / "compose.yaml").read_text())[1]
        url = url.replace("PASSWORD", "x").replace("postgres:5432", f"127.0.0.1:{database.port}")
        server = Server(tmp_path, settings="webui_project.settings", DATABASE_URL=url)
        server.manage("migrate", "--verbosity", "0")
        with psycopg.connect(database.url) as connection:
            (rights,) = connection.execute(
                "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'langroid_chat'"
            ).fetchall()
            stored = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'langroid_chat'").fetchone()

    assert rights == (False, False, False)
    assert stored[0].startswith("SCRAM-SHA-256$")


def test_redis_of_the_containers_asks_for_its_password(tmp_path):
    program, configuration, *options = services_of_compose()["redis"]["command"]
    assert configuration == "/run/secrets/redis_conf"
    (tmp_path / "redis_conf").write_text("requirepass 0123abc\n")
    port = programs.free_port()
    command = [programs.require(program), str(tmp_path / "redis_conf"), *options, "--port", str(port)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        programs.wait_until(lambda: programs.accepts(port), process)
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()
        assert redis.Redis.from_url(f"redis://:0123abc@127.0.0.1:{port}/0").ping()
    finally:
        programs.end(process)


def test_what_is_installed_in_production_is_known_by_its_hash_and_asked_for():
    """`# via` says by whom: what looks like a tool of developers (pytest, faker) is Langroid's own."""
    text = (ROOT / "requirements.txt").read_text()
    packages = re.findall(r"^(\S+)==.*?\n((?:    .*\n)+)", text, re.M)

    assert len(packages) == len(re.findall(r"^\S+==", text, re.M)) > 100
    for name, rest in packages:
        assert "--hash=sha256:" in rest and re.search(r"^    # via\b", rest, re.M), name
    installs = (DEPLOY / "Dockerfile").read_text() + (ROOT / "docs/deployment.md").read_text()
    commands = re.findall(r"pip install.*requirements\.txt", installs)
    assert len(commands) == 3 and all("--require-hashes" in command for command in commands)


def test_the_page_about_deployment_names_files_commands_and_variables_that_exist():
    page = (ROOT / "docs/deployment.md").read_text()

    assert all((ROOT / path).exists() for path in re.findall(r"\bdeploy/[\w./@-]*\w", page))
    commands = set(re.findall(r"manage\.py ([a-z]+)", page)) | set(re.findall(r"^manage ([a-z]+)", page, re.M))
    assert {"purge", "migrate", "collectstatic"} < commands <= set(get_commands())
    variables = set(re.findall(r"`([A-Z]+_[A-Z_]*[A-Z])[`=]", page)) | set(re.findall(r" ([A-Z_]+)=…", page))
    ours = {name.removesuffix("_FILE") for name in variables if not name.startswith("AWS_")}  # those boto3 reads
    assert ours <= known_variables() | {"MAX_BODY_BYTES"}  # of webui_project/settings.py
    placeholders = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "nginx.conf.template").read_text()))
    assert set(re.findall(r"\$(\w+)", re.search(r"envsubst '(.*?)'", page)[1])) == placeholders


def test_the_page_s_manage_has_the_service_s_environment(tmp_path):
    page = (ROOT / "docs/deployment.md").read_text()
    function = re.search(r"^manage\(\) \(\n.*?^\)$", page, re.M | re.S)[0]
    places = {
        "/etc/langroid-chat": str(tmp_path),
        "/opt/langroid-chat": str(ROOT),
        "runuser -u langroid-chat --": "",
        ".venv/bin/python": sys.executable,
    }
    for there, here in places.items():
        assert there in function
        function = function.replace(there, here)
    values = environment_file() | {"DATA_DIR": str(tmp_path)}
    (tmp_path / "environment").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    (tmp_path / "secret_key").write_text("0123456789abcdefghij" * 3 + "\n")

    done = subprocess.run(["sh", "-c", f"{function}\nmanage check --deploy"], capture_output=True, text=True)

    assert done.returncode == 0 and "no issues" in done.stdout, done.stdout + done.stderr
