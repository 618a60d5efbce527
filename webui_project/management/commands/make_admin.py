"""`make_admin NAME`: let a person into the admin, with no password but the one they choose."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.core.management import BaseCommand, CommandError, CommandParser
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode


class Command(BaseCommand):
    help = "Makes NAME an administrator. A new account gets a password here, or a link to choose one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--site", default="http://127.0.0.1:8000/", help="Address of the site, for the link.")

    def handle(self, *, name: str, site: str, **_options: Any) -> None:
        user, created = get_user_model().objects.get_or_create(username=name)
        if created:
            user.set_unusable_password()
        user.is_staff = user.is_superuser = user.is_active = True
        user.save()
        if user.has_usable_password():
            self.stdout.write(f"{name} is an administrator.")
        elif sys.stdin.isatty():
            self.ask_password(user)
        else:
            self.stdout.write(f"{name} is an administrator. Choose the password here, once, within three days:")
            self.stdout.write(site.rstrip("/") + password_link(user))

    def ask_password(self, user: User) -> None:
        """Ask for the password until it is good.

        Raises:
            CommandError: the person broke off; the account stays without password.
        """
        while True:
            try:
                password = getpass.getpass(f"Password for {user.get_username()}: ")
                repeated = getpass.getpass("Again: ")
            except (KeyboardInterrupt, EOFError):
                raise CommandError("No password was set.") from None
            if password != repeated:
                self.stderr.write("The two are not the same.")
                continue
            try:
                validate_password(password, user)
            except ValidationError as error:
                self.stderr.write("\n".join(error.messages))
                continue
            user.set_password(password)
            user.save()
            return


def password_link(user: User) -> str:
    """Return the path of a page on which `user` chooses a password; it works once (settings.PASSWORD_RESET_TIMEOUT)."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("password_reset_confirm", args=[uid, default_token_generator.make_token(user)])
