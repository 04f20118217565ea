"""A Hub on this machine for the real client, and a machine that knows no other."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from server import WRITER, Hub


@pytest.fixture(scope="session")
def _hub():
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def hub(_hub: Hub, tmp_path: Path, monkeypatch):
    """An empty Hub, a logged-in user called me, an empty cache, and retries that do not wait."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    _hub.reset()
    values = {"HF_ENDPOINT": _hub.url, "HF_TOKEN": WRITER, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "ENDPOINT", _hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", _hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # True if it was first imported while a test was offline
    for module in (_http, file_download):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda _: None))
    return _hub
