"""HTML made of elements, so that every text in it is escaped by the one that writes them, and the page around it.

A page asks nobody for anything: its scripts and its style lie in it, and its policy allows those, by their hashes, and
pictures that lie in it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any
from xml.etree import ElementTree

from rknn_zoo_e2e.files.validation import harmless

Element = ElementTree.Element
Content = Any  # a text, an element, None for nothing, or an iterable of these
LONGEST = 5000  # characters of a text
STYLE, SCRIPTS = "assets/report.css", ("vendored/chart.umd.min.js", "assets/charts.js", "assets/tables.js")
SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=\S*\s*$")  # a browser's tools would ask for it


def element(tag: str, *content: Content, **attributes: Any) -> Element:
    """An element.

    Args:
        attributes: with ``-`` for ``_`` inside a name and nothing for one at its end; None and False leave one out,
            True gives it no value.
    """
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            made.set(name.rstrip("_").replace("_", "-"), "" if value is True else str(value))
    add(made, content)
    return made


def add(parent: Element, content: Content) -> None:
    """Adds to an element's end. Texts are without characters that turn or control the text around them."""
    if content is None:
        return
    if isinstance(content, Element):
        parent.append(content)
    elif isinstance(content, str):
        said = "".join(harmless(line, LONGEST) + "\n" * line.endswith("\n") for line in content.splitlines(True))
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + said
        else:
            parent.text = (parent.text or "") + said
    elif isinstance(content, Iterable):
        for part in content:
            add(parent, part)
    else:
        raise TypeError(f"{type(content).__name__} is no content: a number comes in by Sheet.figure")


def foreign(text: str) -> Element:
    """A text from outside, kept from turning what stands around it where it is written from right to left."""
    return element("bdi", text)


def picture(jpeg: bytes, said: str) -> Element:
    """A picture that lies in the page; ``said`` is for who does not see it."""
    data = base64.b64encode(jpeg).decode()
    return element("img", src=f"data:image/jpeg;base64,{data}", alt=said)


@cache
def asset(name: str) -> str:
    """A file that comes with the package, as it goes into a page."""
    return SOURCE_MAP.sub("\n", files(__package__).joinpath(name).read_text("utf-8"))


def policy(style: str, scripts: Iterable[str]) -> str:
    """What a page may do: run these scripts, have this style, and show pictures that lie in it."""
    allowed = " ".join(map(hashed, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {hashed(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def hashed(text: str) -> str:
    """As a policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def page(title: str, *content: Content) -> bytes:
    """A whole page."""
    style, scripts = asset(STYLE), [asset(name) for name in SCRIPTS]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy(style, scripts)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("link", rel="icon", href="data:,"),  # or a browser asks for one
        element("title", title),
        raw("style", style),
    )
    body = element("body", element("main", *content), map(raw, ["script"] * len(scripts), scripts))
    html = ElementTree.tostring(element("html", head, body, lang="en"), encoding="unicode", method="html")
    return f"<!doctype html>\n{html}\n".encode("utf-8", "replace")


def raw(tag: str, text: str) -> Element:
    """A script or style of ours, which is written as it is."""
    made = Element(tag)
    made.text = text
    return made
