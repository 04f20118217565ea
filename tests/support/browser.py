"""A page in headless Chromium, driven by its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NOISES = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening",
          "Network.requestWillBeSent")  # fmt: skip


class Browser:
    """A browser with one page.

    Attributes:
        said: console messages, exceptions, violations of the page's policy, dialogs and requests since it was opened.
    """

    def __init__(self, process: subprocess.Popen, commands: int, answers: int) -> None:
        self.process, self.commands, self.answers = process, commands, os.fdopen(answers, "rb")
        self.count, self.said = 0, list[Any]()
        self.session: str | None = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> Any:
        """A command's result; what happens meanwhile is noted."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while (answer := self.read()).get("id") != self.count:
            pass
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def read(self) -> dict[str, Any]:
        """The next message."""
        content = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            assert byte, "the browser is gone"
            content += byte
        message = json.loads(content)
        if message.get("method") in NOISES:
            self.said.append(message)
        return message

    def wait(self, event: str) -> None:
        """Until it has happened."""
        while self.read().get("method") != event:
            pass

    def open(self, path: Path, width: int, height: int = 900, **media: str) -> list[Any]:
        """A file at a size; ``prefers_color_scheme`` and the like are media features.

        Returns:
            What it had to say, its own file aside.
        """
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self.ask("Emulation.setEmulatedMedia", media="", features=features)
        phone = width < 600
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.said.clear()
        self.ask("Page.navigate", url=path.absolute().as_uri())
        self.wait("Page.loadEventFired")
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return [one for one in self.said if not asks_for(one, path)]

    def run(self, script: str) -> Any:
        """The value of an expression in the page; of a promise what it ends with."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, path: Path, whole: bool = True) -> Path:
        """PNG."""
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
        return path

    def printed(self, path: Path) -> Path:
        """PDF, A4."""
        found = self.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)
        path.write_bytes(base64.b64decode(found["data"]))
        return path


def asks_for(message: dict[str, Any], path: Path) -> bool:
    """Whether it is the request for the page itself, or for a picture that lies in it."""
    if message["method"] != "Network.requestWillBeSent":
        return False
    url = message["params"]["request"]["url"]
    return url == path.absolute().as_uri() or url.startswith("data:")


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser that keeps its files in ``folder``; skips where there is none, fails where one is promised."""
    if PROGRAM is None:
        said = "chromium is not installed"
        pytest.fail(said) if os.environ.get("E2ERKNN_REQUIRE_SHARED") else pytest.skip(said)
    (read_commands, write_commands), (read_answers, write_answers) = os.pipe(), os.pipe()
    # The browser reads from descriptor 3 and writes to 4.
    script = f'exec 3<&{read_commands} 4>&{write_answers}; exec "$@"'
    options = ("--headless=new", "--no-sandbox", "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}",
               "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-background-networking",
               "--disable-component-update", "--disable-dev-shm-usage")  # fmt: skip
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", PROGRAM, *options, "about:blank"],
        pass_fds=(read_commands, write_answers),
        stdout=subprocess.DEVNULL,
        stderr=(folder / "browser.log").open("wb"),
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        made = Browser(process, write_commands, read_answers)
        yield made
        made.answers.close()
    finally:
        os.close(write_commands)
        process.terminate()
        process.wait(30)
