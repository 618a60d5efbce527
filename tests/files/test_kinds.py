"""What a file is, by its content, and how it may be called."""

from __future__ import annotations

import pytest

from chat.files.kinds import SHOWN, type_of
from chat.files.names import safe_name

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.mark.parametrize(
    ("head", "name", "media_type"),
    [
        (PNG, "page.html", "image/png"),
        (b"\xff\xd8\xff\xe0", "a", "image/jpeg"),
        (b"RIFF....WEBPVP8 ", "a", "image/webp"),
        (b"RIFF....WAVEfmt ", "a", "audio/wav"),
        (b"%PDF-1.7 <script>", "a.html", "application/pdf"),
        (b"PK\x03\x04", "a.docx", "application/zip"),
        (b"....ftypM4A ", "a", "audio/mp4"),
        ("naïve text".encode(), "a.png", "text/plain"),
        (b"a,b\n1,2\n", "a.CSV", "text/csv"),
        (b"", "empty", "text/plain"),
        (b"MZ\x00\x01", "a.txt", "application/octet-stream"),
        (b"\xfe\xff\x00a", "a.txt", "application/octet-stream"),
    ],
)
def test_a_type_is_of_the_content(head, name, media_type):
    assert type_of(head, name) == media_type


def test_a_character_cut_at_the_end_of_the_head_is_text_all_the_same():
    assert type_of(("a" + "é" * 3000).encode()[:4096], "a") == "text/plain"


@pytest.mark.parametrize(
    "text",
    [
        "<svg xmlns='http://www.w3.org/2000/svg'><script>x()</script></svg>",
        "<?xml version='1.0'?><!-- --><SVG\n>",
        "<!DOCTYPE html><p>",
        "hello <script>x()</script>",
        "GIF87 <iframe>",
    ],
)
@pytest.mark.parametrize("name", ["a.svg", "a.png", "a.csv", "a.txt"])
def test_what_could_run_is_never_shown_whatever_its_name(text, name):
    assert type_of(text.encode(), name) not in SHOWN | {"text/plain", "text/csv"}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        (r"C:\Users\alice\notes.txt", "notes.txt"),
        ("report\u202efdp.exe", "reportfdp.exe"),
        ("a\x00b\ud800.txt", "a�b�.txt"),
        ("..", "file"),
        ("", "file"),
        (" .hidden ", "hidden"),
        ('a<b>:"c|?*.txt', "a_b___c___.txt"),
        ("naïve 中文 👍.md", "naïve 中文 👍.md"),
    ],
)
def test_a_name_is_fit_for_people_and_file_systems(name, safe):
    assert safe_name(name) == safe


def test_a_long_name_keeps_its_ending():
    name = safe_name("x" * 500 + ".jpeg")
    assert name.endswith("x.jpeg") and len(name) == 150
