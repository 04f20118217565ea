"""A server as cameras and web sites have them, for pictures and streams at addresses."""

from __future__ import annotations

import base64
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import cv2
import numpy as np

PLAIN = np.full((120, 160, 3), 90, np.uint8)


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, PLAIN)[1].tobytes()


class Server(ThreadingHTTPServer):
    """Answers by the first word of the path, suffix aside; ``seen`` are the requests, ``users`` those it lets in."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.seen: list[str] = []
        self.users: dict[str, str] = {}
        self.port = self.server_port

    def handle_error(self, *_: object) -> None:
        pass  # a client that hangs up is none of ours


class Answers(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        if self.server.users and not self.let_in():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        word = unquote(self.path).strip("/").split("?")[0].split("/")[0].split(".")[0]
        ANSWERS.get(word, missing)(self)

    def let_in(self) -> bool:
        kind, _, login = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(login).decode().partition(":")
        return kind == "Basic" and self.server.users.get(user) == password

    def answer(self, content: bytes, kind: str, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)


Answer = Callable[[Answers], None]


def missing(request: Answers) -> None:
    request.answer(f"no {request.path}".encode(), "text/html", 404)


def status(number: int) -> Answer:
    return lambda request: request.answer(request.path.encode(), "text/plain", number)


def content(data: bytes, kind: str, **options: object) -> Answer:
    return lambda request: request.answer(data, kind, **options)  # type: ignore[arg-type]


def redirect(target: str) -> Answer:
    def to(request: Answers) -> None:
        request.answer(b"", "text/plain", 302, Location=target.format(port=request.server.port, path=request.path))

    return to


def endless(request: Answers) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "image/jpeg")
    request.end_headers()
    request.wfile.write(JPEG)
    while True:
        request.wfile.write(bytes(1 << 20))


def slow(request: Answers) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "image/jpeg")
    request.end_headers()
    for byte in JPEG[:200]:
        request.wfile.write(bytes([byte]))
        time.sleep(0.1)


def mute(request: Answers) -> None:
    time.sleep(5)


def motion(request: Answers) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
    request.end_headers()
    for _ in range(20):
        request.wfile.write(
            b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(JPEG) + JPEG + b"\r\n"
        )
        time.sleep(0.02)


JPEG = encoded(".jpg")
ANSWERS: dict[str, Answer] = {
    "jpeg": content(JPEG, "image/jpeg"),
    "png": content(encoded(".png"), "image/png"),
    "webp": content(encoded(".webp"), "image/webp"),
    "bmp": content(encoded(".bmp"), "image/bmp"),
    "binary": content(JPEG, "application/octet-stream"),
    "untyped": content(JPEG, "text/html"),
    "packed": content(gzip.compress(JPEG), "image/jpeg", Content_Encoding="gzip"),
    "bomb": content(gzip.compress(JPEG + bytes(200 << 20), 1), "image/jpeg", Content_Encoding="gzip"),
    "badly-packed": content(JPEG, "image/jpeg", Content_Encoding="gzip"),
    "page": content(b"<!DOCTYPE html><html>log in</html>", "text/html; charset=utf-8"),
    "hidden-page": content(b"\n <HTML>log in</HTML>", "application/octet-stream"),
    "empty": content(b"", "image/jpeg"),
    "half": content(JPEG[:200], "image/jpeg", length=len(JPEG)),
    "truncated": content(JPEG[:400], "image/jpeg"),
    "no-picture": content(b"no picture at all", "image/jpeg"),
    "endless": endless,
    "slow": slow,
    "mute": mute,
    "motion": motion,
    "text": content(b"some words\n" * 20, "text/plain"),
    "playlist": content(b"#EXTM3U\n#EXT-X-ENDLIST\n", "application/vnd.apple.mpegurl"),
    "to-picture": redirect("/jpeg"),
    "to-other-host": redirect("http://localhost:{port}/jpeg"),
    "loop": redirect("/loop/x{path}"),
    "to-file": redirect("file:///etc/passwd?{path}"),
    "to-rtsp": redirect("rtsp://me:inner@127.0.0.1/{path}"),
    "to-nothing": redirect("http://[{path}"),
    **{f"s{number}": status(number) for number in (400, 403, 404, 405, 410, 500, 503)},
}


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def camera(status: str = "401 Unauthorized") -> Iterator[int]:
    """The port of an RTSP server that lets nobody in; with ``status`` "" it talks nonsense."""

    def talk(client: socket.socket) -> None:
        with client, client.makefile("rwb") as lines:
            head: list[bytes] = []
            for line in lines:
                if line.strip():
                    head.append(line)
                    continue
                number = next((one for one in head if one.lower().startswith(b"cseq")), b"CSeq: 1\r\n")
                first = b"RTSP/1.0 200 OK" if head[0].startswith(b"OPTIONS") else f"RTSP/1.0 {status}".encode()
                more = b'Public: OPTIONS, DESCRIBE\r\nWWW-Authenticate: Digest realm="camera", nonce="1f"\r\n'
                lines.write(first + b"\r\n" + number + more + b"\r\n" if status else b"\x00nonsense " + head[0])
                lines.flush()
                head = []

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
