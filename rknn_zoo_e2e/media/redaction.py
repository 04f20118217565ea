"""Text without what must not be shown of the addresses that stand on a command line."""

from __future__ import annotations

import json
import re
import shlex
from base64 import b64encode
from collections.abc import Iterable

from rknn_zoo_e2e.media.address import HIDDEN, parse, shown, shown_segment

SCHEMES = frozenset({"file", "http", "https", "rtmp", "rtsp", "rtsps", "tcp", "udp"})  # words of our advice, no secrets
MIN_PIECE_LENGTH = 4  # letters of a piece that is looked for on its own; shorter ones stand in any text
# An address with or without its scheme: user:password@host, me@host/x, //host, rtsp:/host.
MEANT = re.compile(r"\w[\w+.-]*:/|//|[^/]+:.*@|\S+@[\w.-]+[:/]", re.DOTALL)


def is_meant_as_address(text: str) -> bool:
    """Whether a text may be an address, whole or not, and so hold a password."""
    return "://" in text or MEANT.match(text) is not None


class Redaction:
    """Hides in any text what must not be shown of addresses.

    The whole address is looked for in the forms libraries and shells write it; so is each piece of its secrets, as some
    libraries tell of a part only.

    Args:
        words: of a command line, addresses among them.
    """

    def __init__(self, words: Iterable[str]) -> None:
        masks: dict[str, str] = {}
        for word in words:
            option, _, value = word.lstrip("-").partition("=")
            for text in {word, word.lstrip("-"), option, value}:
                if is_meant_as_address(text) and shown(text) != text:
                    masks |= dict.fromkeys(pieces(text), HIDDEN) | dict.fromkeys(forms(text), shown(text))
        self.masks = sorted(masks.items(), key=lambda pair: -len(pair[0]))

    def __call__(self, text: str) -> str:
        """The text with every secret hidden."""
        for secret, instead in self.masks:
            text = text.replace(secret, instead)
        return text


def forms(text: str) -> set[str]:
    """A text as it is, as a path, and as Python, JSON and shells quote it."""
    plain = {text, re.sub("/+", "/", text)}
    return plain | {quoted(one) for one in plain for quoted in (python, json_escaped, shlex.quote)}


def python(text: str) -> str:
    """A text as Python's ``repr`` has it, without the quotes."""
    return repr(text)[1:-1]


def json_escaped(text: str) -> str:
    """A text as JSON has it, without the quotes."""
    return json.dumps(text)[1:-1]


def pieces(text: str) -> set[str]:
    """The secrets of an address, whole and in pieces, as they are and as they are sent."""
    try:
        address = parse(text)
    except ValueError:
        secrets = [text.partition("://")[2] or text]
    else:
        segments = [segment for segment in address.path.split("/") if shown_segment(segment) != segment]
        hidden = [address.path] if address.unsure else [re.split("[=:]", one, maxsplit=1)[-1] for one in segments]
        secrets = [address.login or "", *(address.credentials or ()), address.query, address.fragment, *hidden]
        secrets += [address.to_open] if address.to_open != str(address) else []
        secrets += [address.place] if address.unsure else []
        if address.credentials:
            secrets.append(b64encode(":".join(address.credentials).encode("utf-8", "surrogateescape")).decode())
    parts = {part for secret in secrets for part in (secret, *re.split(r"[^\w]+", secret))}
    kept = {*SCHEMES, *re.split(r"[^\w]+", shown(text))}  # what is shown is no secret
    return {part for part in parts if len(part) >= MIN_PIECE_LENGTH and part not in kept}
