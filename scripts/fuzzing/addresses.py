"""Addresses with secrets in every place, servers that answer anything, and SoCs and sources by odd names."""

from __future__ import annotations

import re
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

from fuzzing.harness import Attempt
from fuzzing.material import Material
from fuzzing.mutations import WORDS, scrambled

ODD = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~é行＠／９\t"
CHUNK = re.compile(r"Zq[A-Za-z0-9]{6}")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
TYPES = ("image/jpeg", "image/png", "text/html", "application/octet-stream", "video/mp4", "text/plain", "", "é/\x7f;;=")
PLACES = (
    "file:///etc/passwd",
    "rtsp://me:Zqinside@h/x",
    "loop",
    "http://[",
    "//",
    "",
    "gopher://x",
    "http://127.0.0.1:9/",
)
# What people give to programs like this one, and names near those of SoCs.
SOURCES = (
    "screen {}", "v4l2src device=/dev/video{} ! appsink", "rtspsrc location={} ! x", "0,{}", "{}.streams", "csi{}",
    "youtu.be/{}", "https://www.youtube.com/watch?v={}", "/dev/{}", "/dev/null", "-", "{}:{}@10.0.0.5/x", "//{}@h/x",
    "file:///{}", "data:{}", "rtsp:/{}", "~/{}", ":{}.0", "**/{}", "[{}",
)  # fmt: skip
SOCS = (
    "rk3588s", "RK3582", "rk3583", "rv1126", "rk1808", "rk3399pro", "rk3572", "rk3399", "rk35{}", "rk3566,{}", "{}",
)  # fmt: skip


def addresses(rng: Random, material: Material, folder: Path) -> Attempt:
    """An address with secrets where people have them, of a server that answers anything, or of none."""
    text = address(rng, server(material))
    words = ["demo", text, "-m", str(material.bundles[0]), "--backend", "onnx"]
    words += rng.choice(([], ["--json"], ["--debug"], ["--json", "--debug"], ["-q"], ["--no-save"]))
    return Attempt(words, secrets=tuple(CHUNK.findall(text)), serves=True)


def odd_names(rng: Random, material: Material, folder: Path) -> Attempt:
    """Sources, SoCs and addresses by odd names, for the options of every command."""
    text = address(rng, 9) if rng.random() < 0.5 else rng.choice(SOURCES).replace("{}", secret(rng))
    soc = rng.choice(SOCS).format(rng.choice((secret(rng), "x", "rk3588", "")))
    text = text.replace("\0", "")
    model, picture = str(material.bundles[0]), str(material.folder / "picture.jpg")
    nothing = str(folder.parent / "nowhere")
    words = rng.choice(
        (
            ["demo", text, "-m", model, "--backend", "onnx"],
            ["demo", text, text, nothing],
            ["demo", picture, "-m", text],
            ["demo", nothing, "--soc", soc],
            ["demo", nothing, f"--conf={text}"],
            ["demo", nothing, f"--{text}"],
            ["bench", model, "--images", text, "--soc", soc],
            ["eval", model, "--data", text, "--soc", soc],
            ["convert", text, "--soc", soc],
            ["convert", "shapes", "--soc", soc, "--calib", nothing],
            ["convert", "shapes", "--soc", "rk3566", "--calib", text],
            ["pull", text, "--soc", soc],
            ["publish", text, "--repo", text, "--dry-run"],
            ["inspect", text],
            ["info", text],
            [text],
        )
    )
    words += rng.choice(([], ["--json"], ["--debug"]))
    in_secret_place = re.match(r"(?!file:)\w+://|//|[^/]+:.*@10\.0\.0\.5/x$", text, re.IGNORECASE | re.DOTALL)
    hidden = tuple(CHUNK.findall(text)) if in_secret_place else ()
    return Attempt(words, secrets=hidden, serves=True)


def secret(rng: Random) -> str:
    """Chunks that stand nowhere else, with odd characters between them."""
    chunks = ["Zq" + "".join(rng.choices(LETTERS, k=6)) for _ in range(rng.randint(1, 3))]
    return "".join(chunk + "".join(rng.choices(ODD, k=rng.randint(0, 2))) for chunk in chunks)


def address(rng: Random, port: int) -> str:
    """An address; most are of the server on ``port``."""
    host = rng.choice(
        (f"127.0.0.1:{port}", f"127.0.0.1:{port}", f"localhost:{port}", "127.0.0.1:9", "[::1]:9", "a.invalid")
    )
    login = rng.choice(("", "", f"{secret(rng)}:{secret(rng)}@", f"admin:{secret(rng)}@"))
    path = f"/{rng.randrange(1 << 16)}"
    if rng.random() < 0.3:
        path += f"/key{rng.choice('=:')}{secret(rng).translate({ord(c): None for c in '/?#@'})}"
    if rng.random() < 0.3:
        path += f"/{rng.choice(WORDS)[:40]}"
    query = f"?token={secret(rng)}" if rng.random() < 0.4 else ""
    scheme = rng.choice(("http", "http", "http", "HTTP", "rtsp", "https", "udp", "ftp", "x", "file"))
    if scheme == "udp":
        host = "127.0.0.1:99999"  # FFmpeg would listen for ten seconds
    return re.sub("\0|\ud800", "", f"{scheme}://{login}{host}{path}{query}")


@cache
def server(material: Material) -> int:
    """The port of a server in this process that answers each path with something else, good or bad."""

    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            rng = Random(self.path.split("/")[1])
            if rng.random() < 0.3:  # as it should be
                data = (material.folder / "picture.jpg").read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return
            data = (material.folder / rng.choice(("picture.jpg", "video.mp4"))).read_bytes()
            content = rng.choice((data, scrambled(rng, data), b"", b"<html>", b"#EXTM3U\n", rng.randbytes(99)))
            self.send_response(rng.choice((200, 200, 200, 200, 204, 301, 302, 307, 401, 403, 404, 500, 599)))
            self.send_header("Content-Type", rng.choice(TYPES))
            self.send_header("Location", rng.choice(PLACES).replace("loop", self.path.replace("\n", "")))
            self.send_header("WWW-Authenticate", rng.choice(("Basic realm=x", "Digest x", "Bearer", "", "Basic")))
            self.send_header("Content-Encoding", rng.choice(("identity", "identity", "gzip", "br")))
            if rng.random() < 0.7:
                self.send_header(
                    "Content-Length", rng.choice((str(len(content)), str(len(content)), "99999999", "-1", "x"))
                )
            self.end_headers()
            self.wfile.write(content)

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    made = Quiet(("127.0.0.1", 0), Answers)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made.server_port
