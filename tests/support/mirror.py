"""A small HTTP server that is both a Hugging Face endpoint (its resolve URLs) and a mirror of Ultralytics' releases."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" + "0" * 34


class Mirror(ThreadingHTTPServer):
    """Serves ``files`` by path, with faults by path.

    Attributes:
        files: "/releases/TAG/FILE" or "/OWNER/REPO/FILE" -> content.
        status: the same -> an HTTP status to answer with instead.
        cuts: the same -> numbers of bytes after which the connection is cut, one for each answer; -1 answers 500.
        stalls: paths whose answer stops halfway and never goes on.
        promised: the same -> sha256 the Hub claims to have on record, where it is not the content's.
        tokens: those that are accepted; a request without one is, too.
        log: (method, path, Range header) of every request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.status: dict[str, int] = {}
        self.cuts: dict[str, list[int]] = {}
        self.stalls: set[str] = set()
        self.promised: dict[str, str] = {}
        self.tokens: set[str] = set()
        self.log: list[tuple[str, str, str | None]] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def env(self, folder: Path, **more: str) -> dict[str, str]:
        """An environment whose client knows only this server and the caches in ``folder``."""
        known = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "E2ERKNN_", "HUGGING", "XDG_"))}
        places = {"HF_HOME": str(folder / "hf"), "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "300"}
        return known | places | {"HF_ENDPOINT": self.url, "E2ERKNN_RELEASES": f"{self.url}/releases"} | more

    def downloads(self) -> list[tuple[str, str | None]]:
        """Path and Range of every GET."""
        return [(path, span) for method, path, span in self.log if method == "GET"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Mirror

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def log_message(self, *args: object) -> None:
        pass

    def answer(self) -> None:
        hub = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
        path = f"/{hub[1]}/{hub[3]}" if hub else self.path
        self.server.log.append((self.command, path, self.headers.get("Range")))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.server.tokens:
            return self.refuse(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        if path in self.server.status:
            return self.refuse(self.server.status[path], {})
        if path not in self.server.files:
            owned = hub and any(known.startswith(f"/{hub[1]}/") for known in self.server.files)
            code = {"X-Error-Code": "EntryNotFound" if owned else "RepoNotFound"} if hub else {}
            return self.refuse(404, {**code, "X-Repo-Commit": COMMIT})
        if hub and hub[2] not in ("main", COMMIT):
            return self.refuse(404, {"X-Error-Code": "RevisionNotFound"})
        cuts = self.server.cuts.get(path) if self.command == "GET" else None
        cut = cuts.pop(0) if cuts else None
        if cut == -1:
            return self.refuse(500, {})
        content = self.server.files[path]
        etag = self.server.promised.get(path) or hashlib.sha256(content).hexdigest()
        start = int(span[1]) if (span := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        body = content[start:]
        self.send_response(206 if span else 200)
        if span:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if hub:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Etag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if cut is not None:
            self.wfile.write(body[:cut])
            self.close_connection = True
            return
        if path in self.server.stalls:
            self.wfile.write(body[: len(body) // 2])
            threading.Event().wait(60)
        self.wfile.write(body)

    def refuse(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(key, value)
        self.end_headers()
