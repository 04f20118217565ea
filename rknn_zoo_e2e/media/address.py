"""Addresses as people write them: what goes to whoever opens them, and what of it may be shown."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, unquote, unquote_to_bytes

from rknn_zoo_e2e.errors import UsageError

HIDDEN = "***"
TOKEN_LENGTH = 20  # letters and digits; a segment of a path with as many may be a token
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[\w.-]*)(?::([0-9]*))?")  # host and port
# What a value follows in a path: also escaped, escaped twice, and full-width.
GIVES_VALUE = re.compile(r"[=:＝：]|%(?:25)*3[AaDd]")
LOST_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")  # it begins no escape
IN_PATH = "/:@!$&'()*+,;=%~"  # what needs no escape: RFC 3986, sections 2 and 3.3 to 3.5
ADVICE = (
    "Write it as SCHEME://USER:PASSWORD@HOST:PORT/PATH, with %40 for an @ anywhere but before HOST, "
    "and %2F for a / in PASSWORD."
)
IN_QUERY, IN_FRAGMENT = f"{IN_PATH}?", f"{IN_PATH}?#"


@dataclass(frozen=True, repr=False)
class Address:
    """An address. As text it is what may be shown: scheme, host, port and path, the path without values and tokens.

    Attributes:
        scheme: in lower case.
        login: user and password as written, None where there is no @.
        host: with brackets for IPv6; "" in ``udp://@:1234``.
        port: None where it is not given.
        path: as written, with its leading slash.
        query, fragment: as written, without their signs.
        unsure: nobody can tell whether an @ ends a password or belongs to the path or query; then only the scheme is
            shown.
    """

    scheme: str
    login: str | None
    host: str
    port: int | None
    path: str
    query: str
    fragment: str
    unsure: bool = False

    def __str__(self) -> str:
        if self.unsure:
            return f"{self.scheme}://{HIDDEN}"
        return f"{self.scheme}://{self.place}{'/'.join(map(shown_segment, self.path.split('/')))}"

    __repr__ = __str__  # in a traceback, too

    @property
    def place(self) -> str:
        """Host and port."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password without escapes, None where there are none. Never to be shown."""
        if not self.login:
            return None
        user, _, password = self.login.partition(":")
        return plain(user), plain(password)

    @property
    def without_login(self) -> str:
        """The address with escapes where they are needed, but without user and password. Never to be shown."""
        host = self.host if self.host.isascii() else self.host.encode("idna").decode()
        port = "" if self.port is None else f":{self.port}"
        query = f"?{escaped(self.query, IN_QUERY)}" if self.query else ""
        fragment = f"#{escaped(self.fragment, IN_FRAGMENT)}" if self.fragment else ""
        return f"{self.scheme}://{host}{port}{escaped(self.path, IN_PATH)}{query}{fragment}"

    @property
    def to_open(self) -> str:
        """The whole address with escapes where they are needed. Never to be shown."""
        if self.login is None:
            return self.without_login
        login = ":".join(encoded(part) for part in self.login.split(":", 1))
        return self.without_login.replace("://", f"://{login}@", 1)

    @property
    def last_segment(self) -> str:
        """The last part of the path without escapes, "" where there is none or it may not be shown whole."""
        segment = self.path.rpartition("/")[2]
        return unquote(segment) if not self.unsure and shown_segment(segment) == segment else ""


def parse(text: str) -> Address:
    """What a text means as an address.

    User and password are taken as people type them, with or without escapes: ``rtsp://me:a#b/c?@host/live`` has the
    password ``a#b/c?``. They end at the last @ that has a colon before it; one in a query, or behind a host that is an
    IP (``http://10.0.0.5/a@2x.png``), ends nothing.

    Raises:
        ValueError: it is no address. The message holds nothing of it.
    """
    scheme = SCHEME.match(text)
    if not scheme:
        raise ValueError("it does not begin with a scheme")
    rest = text[scheme.end() :]
    end, unsure = _end_of_login(rest)
    login, rest = (None, rest) if end < 0 else (rest[:end], rest[end + 1 :])
    place, rest = _split(rest, "/?#")
    found = PLACE.fullmatch(place)
    port = int(found[2][:6]) if found and found[2] else None
    if not found or port == 0 or (port or 1) > 0xFFFF or (found[1] and not is_place(place)):
        raise ValueError("what should be its host and port is none")
    if not found[1].isascii():
        try:
            found[1].encode("idna")
        except UnicodeError:
            raise ValueError("there is no host of that name") from None
    rest, fragment = _split(rest, "#")
    path, query = _split(rest, "?")
    unsure = (unsure or "@" in path + query + fragment) and not is_certain(place)
    return Address(scheme[1].lower(), login, found[1], port, path, query[1:], fragment[1:], unsure)


def _split(text: str, signs: str) -> tuple[str, str]:
    """Text before the first of some signs, and from there on."""
    first = min((place for sign in signs if (place := text.find(sign)) >= 0), default=len(text))
    return text[:first], text[first:]


def _end_of_login(rest: str) -> tuple[int, bool]:
    """Where the @ is that ends user and password in what follows ``://``, and whether it may be another.

    It is -1 if there is none.
    """
    place, tail = _split(rest, "/?#")
    standard = place.rfind("@")
    if "@" not in tail or is_certain(place[standard + 1 :]):
        return standard, False
    before_query, _ = _split(rest, "?#")
    last = before_query.rfind("@")
    has_path, begins_well = "/" in before_query[last + 1 :], is_place(place[standard + 1 :])
    readable = has_path and (last >= 0 or begins_well)  # as [login@]host/path?query
    within = before_query if readable else rest
    for at in (found.start() for found in re.finditer("@", within)):
        if ":" in rest[:at] and is_certain(re.split(r"[/?#]", rest[at + 1 :], maxsplit=1)[0]):
            return at, False
    end = within.rfind("@")
    if ":" not in rest[: max(end, 0)]:
        return standard, True
    return end, begins_well or rest.count("@") > 1


def is_place(text: str) -> bool:
    """Whether a text may be a host, with or without a port. A mere number is none: systems read it as some IP."""
    found = PLACE.fullmatch(text)
    return bool(found and found[1]) and (is_certain(text) or re.fullmatch(r"[0-9.]+(:[0-9]*)?", text) is None)


def is_certain(text: str) -> bool:
    """Whether a text is a host that nobody has for a user's name: an IP or localhost, with or without a port."""
    found = PLACE.fullmatch(text)
    if not found:
        return False
    try:
        ip_address(found[1].strip("[]"))
    except ValueError:
        return found[1].lower() == "localhost"
    return True


def plain(text: str) -> str:
    """Text without its escapes; a % that begins none is itself."""
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def encoded(text: str) -> str:
    """A user's name or password with everything escaped once, be it escaped or not."""
    return quote(unquote_to_bytes(text.encode("utf-8", "surrogateescape")), safe="")


def escaped(text: str, allowed: str) -> str:
    """Text with escapes for what an address cannot hold; those there are stay."""
    return quote(LOST_PERCENT.sub("%25", text), safe=allowed, errors="surrogateescape")


def shown_segment(segment: str) -> str:
    """A part of a path as it may be shown: a value after = or : and a long token are hidden."""
    if max(sum(map(str.isalnum, text)) for text in (segment, unquote(segment))) >= TOKEN_LENGTH:
        return HIDDEN
    value = GIVES_VALUE.search(segment)
    return segment if value is None else f"{segment[: value.end()]}{HIDDEN}"


def shown(text: str) -> str:
    """What may be shown of something that is an address or was meant as one."""
    try:
        return str(parse(text))
    except ValueError:
        scheme = SCHEME.match(text)
        return f"{scheme[1].lower()}://{HIDDEN}" if scheme else HIDDEN


def read_address(text: str, schemes: Collection[str]) -> Address:
    """An address of one of ``schemes``. Raises :class:`UsageError`, which holds nothing secret of it."""
    try:
        address = parse(text)
    except ValueError as error:
        raise UsageError(f"{shown(text)} is not an address: {error}.", ADVICE) from None
    if address.scheme not in schemes:
        raise UsageError(f"{address.scheme}:// is no stream that can be read.", f"Give one of: {', '.join(schemes)}.")
    return address
