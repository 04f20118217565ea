"""Still pictures at an http address: told from streams, and fetched."""

from __future__ import annotations

import io
import os
import socket
import ssl
import threading
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media.address import ADVICE, Address

SCHEMES = ("http", "https")
MAX_BYTES = 64 << 20  # bytes of a picture, unpacked
MAX_SECONDS = 10.0  # for all of it
CHUNK_BYTES = 1 << 16  # bytes
SIGNATURE_BYTES = 64  # bytes that tell what it is
# First bytes of the formats people have pictures in; which of them can be read, whoever reads them says.
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")
BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")  # of ISO/IEC 23008-12, in the box ftyp
WEB_PAGE = (b"<!doctype html", b"<html", b"<head", b"<body")
ENDLESS = ("multipart/", "video/", "audio/", "application/vnd.apple.mpegurl", "application/x-mpegurl")
PACKED = {"gzip": 47, "x-gzip": 47, "deflate": 47}  # zlib's wbits for either header
WORDS = {
    403: ("{} may not be had: its server forbids it (403).", "Check user and password, or ask who runs the server."),
    404: ("There is nothing at {} (404).", "Check the address."),
    410: ("There is nothing at {} any more (410).", "Check the address."),
}  # fmt: skip
CHECK = "Check the address, and that its server is running."


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A picture file that was fetched.

    Attributes:
        address: where from.
        content: the file.
    """

    address: Address
    content: bytes

    def open(self) -> BinaryIO:
        """The file, opened to read."""
        return io.BytesIO(self.content)

    def __str__(self) -> str:
        return str(self.address)


class Elsewhere(Exception):
    """A redirect that is not followed."""


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https."""

    def http_error_302(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage) -> Any:
        """Follows it if it leads to http or https. Raises :class:`Elsewhere` if it does not."""
        target = urljoin(req.full_url, headers.get("Location", ""))
        if target.partition(":")[0].lower() not in SCHEMES:
            raise Elsewhere
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def fetch(address: Address) -> Picture | None:
    """The picture at an http or https address; None where it is a stream, which is then to be opened anew.

    What tells them apart is the type the server names and the first bytes, never the name.

    Raises:
        UserError: it is a web page, too large or slow, cut off or empty, or cannot be had.
    """
    done: list[Picture | Exception | None] = []

    def run() -> None:
        try:
            done.append(_fetch(address))
        except Exception as error:
            done.append(error)

    # A thread, as no time limit of a socket holds for a whole answer; it ends with its socket's limit or with us.
    thread = threading.Thread(target=run, name="fetch picture", daemon=True)
    thread.start()
    thread.join(MAX_SECONDS)
    if not done:
        raise UserError(
            f"{address} was not there whole after {MAX_SECONDS:.0f} s.",
            "Download it and give the file, or check that its server is running.",
        )
    if isinstance(done[0], Exception):
        raise explained(address, done[0]) from None  # what it says may hold the address whole
    return done[0]


def _fetch(address: Address) -> Picture | None:
    request = urllib.request.Request(address.without_login, headers={"User-Agent": "e2erknn", "Accept": "image/*, */*"})
    try:
        with opener(address).open(request, timeout=MAX_SECONDS) as response:
            return _read(address, response)
    except HTTPException:
        return None  # no HTTP, or not by the book: FFmpeg may know it


def _read(address: Address, response: HTTPResponse) -> Picture | None:
    named = response.headers.get("Content-Type", "").lower()
    packing = response.headers.get("Content-Encoding", "identity").lower()
    if named.startswith(ENDLESS) or packing not in ("identity", *PACKED):
        return None
    content = bytearray()
    for piece in pieces(response, packing):
        content += piece
        if len(content) >= SIGNATURE_BYTES and not is_picture(content, named):
            break
        if len(content) > MAX_BYTES:
            raise UserError(f"{address} is larger than {MAX_BYTES >> 20} MB.", "Download it and scale it down first.")
    if not content:
        raise UserError(f"{address} is empty.", CHECK)
    if not is_picture(content, named):
        if named.startswith(("text/html", "application/xhtml")) or content.lstrip().lower().startswith(WEB_PAGE):
            raise UserError(
                f"{address} is a web page, not a picture or a stream.",
                "Give the address of the picture or stream itself; a browser's menu copies it from the picture.",
            )
        return None
    if response.length:
        raise UserError(f"{address} is cut off: {response.length} bytes are missing.", "Run the same command again.")
    return Picture(address, bytes(content))


def pieces(response: HTTPResponse, packing: str) -> Iterator[bytes]:
    """What a server sends, unpacked, as it comes."""
    unpacker = zlib.decompressobj(PACKED[packing]) if packing in PACKED else None
    while piece := response.read1(CHUNK_BYTES):
        if unpacker is None:
            yield piece
            continue
        while piece:  # small pieces, however well it is packed
            yield unpacker.decompress(piece, CHUNK_BYTES)
            piece = unpacker.unconsumed_tail


def is_picture(content: bytes | bytearray, named: str) -> bool:
    """Whether something is a picture, by its first bytes and the type its server names."""
    if content.startswith(SIGNATURES) or named.startswith("image/"):
        return True
    return (content[:4], content[8:12]) == (b"RIFF", b"WEBP") or (content[4:8] == b"ftyp" and content[8:12] in BRANDS)


def opener(address: Address) -> urllib.request.OpenerDirector:
    """For http and https alone, with the address's user and password for its own host alone."""
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if address.credentials:
        root = f"{address.without_login.partition('://')[0]}://{address.without_login.split('/')[2].split('?')[0]}/"
        passwords.add_password(None, root, *address.credentials)
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDigestAuthHandler(passwords),
        urllib.request.HTTPBasicAuthHandler(passwords),
        Redirects(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        director.add_handler(handler)
    return director


def explained(address: Address, error: Exception) -> Exception:
    """What an error of ``urllib`` means to the user, without a word of its own: those may hold the address whole."""
    if isinstance(error, HTTPError):
        return refused(address, error.code)
    if isinstance(error, Elsewhere):
        what = f"{address} leads to something that is neither http nor https, which is not followed."
        return UserError(what, "Give the address it leads to, if you trust it.")
    reason = error.reason if isinstance(error, URLError) else error
    check = ADVICE if address.unsure else CHECK
    if isinstance(reason, ssl.SSLCertVerificationError):
        fix = "Give http:// if it has that, too, or name a file with its certificate in SSL_CERT_FILE."
        return UserError(f"{address} has a certificate that nobody here vouches for.", fix)
    if isinstance(reason, TimeoutError):
        return UserError(f"{address} did not answer in {MAX_SECONDS:.0f} s.", check)
    if isinstance(reason, socket.gaierror):
        return UserError(f"{address} cannot be reached: there is no such host.", check)
    if isinstance(reason, OSError):
        words = f" ({os.strerror(reason.errno)})" if isinstance(reason.errno, int) else ""
        return UserError(f"{address} cannot be reached{words}.", check)
    if isinstance(error, (ValueError, URLError, zlib.error)):
        # ValueError: a way to log in, or a redirect, that makes no sense
        return UserError(f"{address} answers in a way that cannot be understood.", check)
    return error


def refused(address: Address, status: int) -> UserError:
    """What a status of HTTP means to the user."""
    if status == 401:
        if address.credentials:
            return UserError(f"{address} refuses the user and password given (401).", "Check both.")
        host = "HOST" if address.unsure else address.place
        fix = f"Give them in the address: {address.scheme}://USER:PASSWORD@{host}/..."
        return UserError(f"{address} wants a user and a password (401).", fix)
    if status in WORDS:
        what, fix = WORDS[status]
        return UserError(what.format(address), fix)
    if 300 <= status < 400:
        return UserError(f"{address} leads in circles ({status}).", "Give the address of the picture itself.")
    return UserError(f"{address} cannot be had: its server answers {status}.", "Try again later, or check the address.")
