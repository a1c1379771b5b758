"""Serves the page of a run that goes on, on the loopback interface alone.

It answers GET for two paths, to a browser that names this machine: a page elsewhere that has its
name lead here (DNS rebinding) is refused. It has no files to serve.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from hiercal.report.live.watch import FINISHED, Watch
from hiercal.report.page.render import render

HOST = "127.0.0.1"
NAMES = {HOST, "localhost", "[::1]"}
"""What a browser may call this machine; the port may be another one, as of a tunnel."""
PATIENCE = 15.0
"""Seconds at most that a finished run waits for open pages to fetch the report."""
FRESH = 10.0
"""Seconds since its last request for which a page counts as open."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class LiveServer(ThreadingHTTPServer):
    """Serves what a `Watch` shows, in threads, from when it is made until it is closed.

    Parameters
    ----------
    watch : Watch
    command : str
        What goes on with the run if it is lost; shown then.
    port : int
        0 for any that is free.

    Raises
    ------
    OSError
        If the port is taken.

    Attributes
    ----------
    url : str
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, watch: Watch, command: str, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.watch, self.command = watch, command
        self.asked = self.fetched = -FRESH
        self.trouble = ""
        self.url = f"http://{HOST}:{self.server_address[1]}/"
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def service_actions(self) -> None:
        """Called twice a second by the thread that serves."""
        self.watch.look()

    def page(self) -> str:
        """The page as it is now: of a finished run, its report."""
        if self.watch.state == FINISHED:
            return self.watch.report
        return render(
            "live.html",
            script="live.js",
            connects=True,
            name=self.watch.name,
            command=self.command,
            part=self.watch.shown()["html"],
        )

    def linger(self, seconds: float = PATIENCE) -> None:
        """Wait until the pages that are open have fetched the report, or some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < min(end, self.asked + FRESH) and self.fetched < self.asked:
            time.sleep(0.1)

    def close(self) -> None:
        """Serve no more."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what went wrong with a request: it ends no run, and fills no terminal."""
        self.trouble = repr(sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "hiercal", ""
    timeout = 10

    def do_GET(self) -> None:
        server = cast(LiveServer, self.server)
        name = (self.headers.get("Host") or "").rsplit(":", 1)
        host = name[0] if len(name) == 2 and name[1].isdigit() else ":".join(name)
        if host.lower() not in NAMES:
            self._send(403, "text/plain", f"This page is of {HOST}; ask for it by that name.\n")
        elif self.path == "/":
            finished = server.watch.state == FINISHED
            self._send(200, "text/html", server.page())
            now = time.monotonic()
            server.asked = now if not finished else server.asked
            server.fetched = now if finished else server.fetched
        elif self.path == "/now":
            server.asked = time.monotonic()
            self._send(200, "application/json", json.dumps(server.watch.shown()))
        else:
            self._send(404, "text/plain", "There is nothing here but / .\n")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Say it in plain text: what was asked for may hold anything."""
        self._send(405 if code == 501 else code, "text/plain", "Only GET is answered.\n")

    def _send(self, code: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(code)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if code == 405:
            self.send_header("Allow", "GET")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not told: the terminal is the run's."""
