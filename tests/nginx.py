"""The real nginx, with everything of it in one folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import programs

# What a distribution's own nginx.conf has, for a proxy that keeps everything in one folder.
MAIN = """
daemon off;
pid nginx.pid;
worker_processes 1;
{user}
events {{ worker_connections 1024; }}
http {{
    include {mime_types};
    log_format upstream "$upstream_addr $status $request_uri";
    access_log access.log upstream;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    include site.conf;
}}
"""


def write(folder: Path, site: str) -> list[str]:
    """Write nginx's configuration, with `site` in its http block; return the command that runs it."""
    program = programs.require("nginx")
    (folder / "site.conf").write_text(site)
    types = next(path for path in ("/etc/nginx/mime.types", "/usr/share/nginx/mime.types") if Path(path).is_file())
    user = "user root;" if os.getuid() == 0 else ""  # the folders of pytest are closed to others
    (folder / "nginx.conf").write_text(MAIN.format(user=user, mime_types=types))
    return [program, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]


@contextmanager
def before(port: int, folder: Path, directives: str = "") -> Iterator[str]:
    """Run a proxy before the server at `port`, with further directives of its location; yield its address."""
    own = programs.free_port()
    location = f"location / {{ proxy_pass http://127.0.0.1:{port}; proxy_set_header Host $http_host; {directives} }}"
    process = subprocess.Popen(write(folder, f"server {{ listen 127.0.0.1:{own}; {location} }}"), cwd=folder)
    try:
        programs.wait_until(lambda: programs.accepts(own), process)
        yield f"http://127.0.0.1:{own}"
    finally:
        programs.end(process)
