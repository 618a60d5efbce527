"""Sign-in against strangers: few passwords at a time, failures by name and by address."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User

from tests.client import Client
from tests.pace import SLACK
from tests.servers import Server
from webui_project import sign_in
from webui_project.sign_in import Busy, Gate

RIGHT = "right-horse-battery"


def attempt(client, name: str, password: str = "wrong", address: str = "203.0.113.5") -> int:
    form = {"username": name, "password": password}
    return client.post("/accounts/login/", form, REMOTE_ADDR=address).status_code


@pytest.mark.django_db
def test_a_locked_out_name_is_told_so_and_others_still_sign_in(client, django_user_model, settings):
    django_user_model.objects.create_user("alice", password="right-horse-battery")
    django_user_model.objects.create_user("bob", password="right-horse-battery")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        response = client.post("/accounts/login/", {"username": "alice", "password": "wrong"})

    assert response.status_code == 429
    assert client.post("/accounts/login/", {"username": "alice", "password": "right-horse-battery"}).status_code == 429
    assert client.post("/accounts/login/", {"username": "bob", "password": "right-horse-battery"}).status_code == 302


@pytest.mark.django_db
def test_an_address_that_fails_with_many_names_is_locked_out_and_others_are_not(client, settings):
    settings.SIGN_IN_FAILURES_PER_ADDRESS = 12
    User.objects.create_user("alice", password=RIGHT)

    assert [attempt(client, f"name-{number}") for number in range(12)] == [200] * 11 + [429]
    assert attempt(client, "alice", RIGHT) == 429
    assert attempt(client, "alice", RIGHT, address="203.0.113.6") == 302


@pytest.mark.django_db
def test_one_household_of_ipv6_is_one_address(client, settings):
    settings.SIGN_IN_FAILURES_PER_ADDRESS = 3
    for number in range(3):
        attempt(client, f"name-{number}", address=f"2001:db8:1:2::{number}")

    assert attempt(client, "other", address="2001:db8:1:2:ffff::1") == 429
    assert attempt(client, "other", address="2001:db8:1:3::1") == 200


@pytest.mark.django_db
def test_the_admin_s_own_page_counts_too(client, settings):
    settings.SIGN_IN_FAILURES_PER_ADDRESS = 2
    for name in ("a", "b"):
        client.post("/admin/login/", {"username": name, "password": "wrong"})

    assert client.post("/admin/login/", {"username": "c", "password": "wrong"}).status_code == 429


# -- the gate ---------------------------------------------------------------------------------------------------------


class Visit(threading.Thread):
    """Somebody who comes to the gate, and stays inside until told."""

    def __init__(self, gate: Gate, address: str) -> None:
        super().__init__(daemon=True)
        self.is_inside, self.may_leave = threading.Event(), threading.Event()
        self.is_refused = False
        self._gate, self._address = gate, address
        self.start()

    def run(self) -> None:
        try:
            with self._gate.place(self._address):
                self.is_inside.set()
                self.may_leave.wait(60)
        except Busy:
            self.is_refused = True

    def leave(self) -> None:
        self.may_leave.set()
        self.join(20)


def test_an_address_that_comes_often_does_not_stand_before_others():
    gate = Gate(1)
    often = [Visit(gate, "203.0.113.5") for _ in range(10)]
    (inside,) = [visit for visit in often if visit.is_inside.wait(0.2)]
    other = Visit(gate, "203.0.113.6")

    inside.leave()
    while not other.is_inside.wait(0.05):  # at most one of the others' line stood before it
        for visit in often:
            if visit.is_inside.is_set():
                visit.leave()

    assert sum(visit.is_inside.is_set() for visit in often) <= 2
    for visit in (other, *often):
        visit.leave()


def test_who_waits_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(sign_in, "WAIT_SECONDS", 0.1)
    gate = Gate(1)
    first = Visit(gate, "203.0.113.5")
    assert first.is_inside.wait(30)
    for address in ("203.0.113.5", "203.0.113.6"):
        with pytest.raises(Busy), gate.place(address):
            pass

    first.leave()
    with gate.place("203.0.113.6"):
        pass


@pytest.mark.django_db
def test_who_is_refused_reads_why(client, monkeypatch):
    monkeypatch.setattr(sign_in, "MAX_WAITING", 0)
    answer = client.post("/accounts/login/", {"username": "alice", "password": "wrong"})

    assert (answer.status_code, answer["Retry-After"]) == (429, "5")
    assert b"try again" in answer.content


def test_of_one_address_few_wait(monkeypatch):
    monkeypatch.setattr(sign_in, "MAX_WAITING", 1)
    gate = Gate(1)
    first = Visit(gate, "203.0.113.5")
    assert first.is_inside.wait(30)

    with pytest.raises(Busy), gate.place("203.0.113.5"):
        pass
    first.leave()


def test_of_many_addresses_a_bounded_number_waits(monkeypatch):
    monkeypatch.setattr(sign_in, "MAX_WAITING_IN_ALL", 2)
    gate = Gate(1)
    visits = [Visit(gate, "203.0.113.5"), Visit(gate, "203.0.113.6")]
    assert any(visit.is_inside.wait(5) for visit in visits[:1])
    while gate.length < 2:
        time.sleep(0.01)

    with pytest.raises(Busy), gate.place("203.0.113.7"):
        pass
    for visit in visits:
        visit.leave()
    with gate.place("203.0.113.7"):
        assert gate.length == 1


# -- a whole server ---------------------------------------------------------------------------------------------------


async def test_ninety_sign_ins_at_once_do_not_slow_others(tmp_path, stub):
    """With the real cost of a password."""
    model = {"CHAT_API_BASE": stub.url, "CHAT_API_KEY": "sk-x", "CHAT_MODEL": "gpt-4o-mini"}
    with Server(tmp_path, settings="tests.project.costly_settings", **model) as server:
        cookies = await asyncio.to_thread(server.visitor)
        async with Client(server.ws_url, cookies=cookies) as page:
            await say(page)
            with ThreadPoolExecutor(90) as pool:
                tries = [pool.submit(try_to_sign_in, server, cookies, f"name-{number}") for number in range(90)]
                waits = [await say(page)]
                while not all(each.done() for each in tries):
                    waits.append(await say(page))
            statuses = [each.result() for each in tries]

    assert max(waits) < 0.7 * SLACK, waits
    assert set(statuses) == {200, 429} and statuses.count(200) <= 60, statuses


async def say(page: Client) -> float:
    began = time.monotonic()
    await page.say("hello [[tokens=2]]")
    await page.idle()
    return time.monotonic() - began


def try_to_sign_in(server: Server, cookies: dict[str, str], name: str) -> int:
    headers = {"Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items())}
    form = {"username": name, "password": "wrong", "csrfmiddlewaretoken": cookies["csrftoken"]}
    data = urllib.parse.urlencode(form).encode()
    try:
        request = urllib.request.Request(f"{server.url}/accounts/login/", data=data, headers=headers)
        return urllib.request.urlopen(request, timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_forgotten_password_is_asked_for_in_the_site_s_look(client, django_user_model, mailoutbox):
    django_user_model.objects.create_user("alice", "alice@example.org", password=RIGHT)
    look = 'class="sheet"'
    assert look in client.get("/accounts/password_reset/").content.decode()
    done = client.post("/accounts/password_reset/", {"email": "alice@example.org"}, follow=True)
    assert look in done.content.decode()
    (link,) = [word for word in mailoutbox[0].body.split() if "/accounts/reset/" in word]
    form = client.get(link.replace("http://testserver", ""), follow=True)
    assert look in form.content.decode() and "new_password1" in form.content.decode()
    new = {"new_password1": "another-horse-battery", "new_password2": "another-horse-battery"}
    assert look in client.post(form.request["PATH_INFO"], new, follow=True).content.decode()
    assert look in client.get(link.replace("http://testserver", "")).content.decode()  # it works once
