"""A Hub on this machine: what the real ``huggingface_hub`` client calls, kept in memory, with faults on demand.

A commit is one assignment under a lock: it is there whole or not at all, as on the real Hub. Xet is not spoken; clients
set HF_HUB_DISABLE_XET.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

PAGE = 4  # entries a page of a tree, so that the client has to turn pages
WRITER, READER, EXPIRED = "hf_writer", "hf_reader", "hf_expired"
USERS = {WRITER: "me", READER: "guest"}


@dataclass(frozen=True)
class Blob:
    """A file: its content, and whether it is kept in large file storage."""

    content: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def git_oid(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git_oid


Tree = dict[str, Blob]


@dataclass
class Repo:
    """Commits by their id, and where the branches and pull requests stand."""

    private: bool = False
    gated: bool = False
    commits: dict[str, Tree] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    uploaded: dict[str, bytes] = field(default_factory=dict)  # large files by their SHA-256, committed or not

    def commit(self, ref: str, tree: Tree) -> str:
        sha = hashlib.sha1(f"{len(self.commits)} {ref} {sorted(tree)}".encode()).hexdigest()
        self.commits[sha] = tree
        self.refs[ref] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)


@dataclass
class Fault:
    """What goes wrong on a route: an HTTP status, "cut", "slow" or "altered"; for so many calls."""

    kind: int | str
    calls: int
    path: str


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


class Hub:
    """The server. ``url`` is its HF_ENDPOINT, ``requests`` what it was asked: (route, method, path)."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.repos: dict[str, Repo] = {}
        self.faults: dict[str, Fault] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.downloaded: list[str] = []
        self.pause = 0.0  # seconds each call takes
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.storage = f"http://localhost:{self.http.server_port}"  # large files are on another host, as of the Hub
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def reset(self) -> None:
        with self.lock:
            self.repos.clear()
            self.faults.clear()
            self.requests.clear()
            self.downloaded.clear()
            self.pause = 0.0

    def fail(self, route: str, kind: int | str, calls: int = 1000, path: str = "") -> None:
        """Lets the next calls of a route fail, those whose path holds ``path``."""
        self.faults[route] = Fault(kind, calls, path)

    def fault(self, route: str, path: str) -> int | str | None:
        with self.lock:
            fault = self.faults.get(route)
            if fault is None or fault.calls == 0 or fault.path not in path:
                return None
            fault.calls -= 1
            return fault.kind

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        """What a revision holds."""
        sha = self.repos[repo].resolve(revision)
        return {path: blob.content for path, blob in self.repos[repo].commits[sha or ""].items()}

    @contextmanager
    def unchanged(self, repo: str) -> Iterator[None]:
        """Fails where the block leaves a commit, a branch or a repo that was not there."""
        before = [(name, dict(r.refs), list(r.commits)) for name, r in self.repos.items() if name == repo]
        yield
        after = [(name, dict(r.refs), list(r.commits)) for name, r in self.repos.items() if name == repo]
        assert before == after


NAME = r"(?P<repo>[^/]+/[^/]+)"
ROUTES = [
    ("whoami", "GET", r"/api/whoami-v2"),
    ("validate", "POST", r"/api/validate-yaml"),
    ("create", "POST", r"/api/repos/create"),
    ("preupload", "POST", rf"/api/models/{NAME}/preupload/(?P<revision>[^/]+)"),
    ("commit", "POST", rf"/api/models/{NAME}/commit/(?P<revision>[^/]+)"),
    ("branch", "POST", rf"/api/models/{NAME}/branch/(?P<revision>[^/]+)"),
    ("tree", "GET", rf"/api/models/{NAME}/tree/(?P<revision>[^/]+)"),
    ("info", "GET", rf"/api/models/{NAME}(?:/revision/(?P<revision>[^/]+))?"),
    ("batch", "POST", rf"/{NAME}\.git/info/lfs/objects/batch"),
    ("upload", "PUT", rf"/upload/{NAME}/(?P<oid>[0-9a-f]+)"),
    ("resolve", "GET", rf"/{NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)"),
    ("cdn", "GET", rf"/cdn/{NAME}/(?P<oid>[0-9a-f]+)/(?P<path>.+)"),
]


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    # Headers and body in one packet: the Nagle algorithm would make each answer 40 ms late.
    wbufsize = -1
    disable_nagle_algorithm = True

    def serve(self) -> None:
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        method = "GET" if self.command == "HEAD" else self.command
        self.broken: str | None = None
        matches = ((n, re.fullmatch(pattern, url.path)) for n, verb, pattern in ROUTES if verb == method)
        name, found = next(((n, match) for n, match in matches if match), ("", None))
        if found is None:
            self.answer(404, {"error": f"no such route: {self.command} {self.path}"})
            return
        self.hub.requests.append((name, self.command, unquote(url.path)))
        time.sleep(self.hub.pause)
        kind = self.hub.fault(name, unquote(url.path))
        length = int(self.headers.get("Content-Length") or 0)
        if kind == "cut" and length:
            self.rfile.read(length // 2)
            self.close_connection = True
            return
        self.body = self.rfile.read(length)
        self.broken = kind if kind in ("cut", "altered") else None
        try:
            if kind == "slow":
                time.sleep(1.0)
            if isinstance(kind, int):
                raise Refused(kind, message="Invalid credentials in Authorization header" if kind == 401 else "")
            values = {key: unquote(value) for key, value in found.groupdict().items() if value is not None}
            handle: Callable[..., None] = getattr(self, name)
            handle(**values)
        except Refused as refused:
            headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
            self.answer(refused.status, {"error": refused.message}, {k: v for k, v in headers.items() if v})

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def answer(self, status: int, document: Any = None, headers: dict[str, str] | None = None) -> None:
        self.send(status, json.dumps(document).encode(), {"Content-Type": "application/json", **(headers or {})})

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            if self.broken == "cut":
                content, self.close_connection = content[: len(content) // 2], True
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass

    # Who asks, and what for

    def user(self) -> str | None:
        """Who asks; None without a token."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token not in USERS:
            raise Refused(401, message="Invalid credentials in Authorization header")
        return USERS.get(token)

    def find(self, name: str, write: bool = False) -> Repo:
        user, repo = self.user(), self.hub.repos.get(name)
        mine = user == name.split("/")[0]
        if repo is None or (repo.private and not mine):
            raise Refused(404 if user else 401, "RepoNotFound", "Repository not found")
        if repo.gated and not mine:
            raise Refused(403, "GatedRepo", "Access to this model is restricted")
        if write and not mine:
            raise Refused(403, message="You don't have the rights to push here")
        return repo

    def find_tree(self, repo: str, revision: str) -> tuple[str, Tree]:
        found = self.find(repo)
        sha = found.resolve(revision)
        if sha is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha, found.commits[sha]

    # The routes

    def whoami(self) -> None:
        user = self.user()
        if user is None:
            raise Refused(401, message="Invalid username or password.")
        self.answer(200, {"type": "user", "name": user, "auth": {"accessToken": {"role": "write"}}})

    def validate(self) -> None:
        _, front, _ = json.loads(self.body)["content"].split("---\n", 2)
        data = yaml.safe_load(front)
        errors = [] if isinstance(data.get("license"), str) else [{"message": '"license" must be a string'}]
        self.answer(400 if errors else 200, {"errors": errors, "warnings": []})

    def create(self) -> None:
        wanted, user = json.loads(self.body), self.user()
        owner = wanted.get("organization") or user
        name = f"{owner}/{wanted['name']}"
        if user is None or owner != user:
            raise Refused(403 if user else 401, message="You don't have the rights to create a model here")
        with self.hub.lock:
            if name in self.hub.repos:
                raise Refused(409, message="You already created this model repo")
            repo = Repo(private=wanted.get("visibility") == "private" or bool(wanted.get("private")))
            repo.commit("main", {".gitattributes": Blob(b"*.onnx filter=lfs diff=lfs merge=lfs -text\n", False)})
            self.hub.repos[name] = repo
        self.answer(200, {"url": f"{self.hub.url}/{name}"})

    def branch(self, repo: str, revision: str) -> None:
        found = self.find(repo, write=True)
        with self.hub.lock:
            if revision in found.refs:
                raise Refused(409, message="Reference already exists")
            found.refs[revision] = found.resolve(json.loads(self.body).get("startingPoint", "main")) or ""
        self.answer(200, {})

    def preupload(self, repo: str, revision: str) -> None:
        pull_request = "create_pr" in self.query
        self.find(repo, write=not pull_request)
        _, tree = self.find_tree(repo, revision)
        files = []
        for file in json.loads(self.body)["files"]:
            binary = b"\0" in base64.b64decode(file["sample"])
            large = binary or file["path"].endswith(".onnx") or file["size"] > 10_000_000
            held = tree.get(file["path"])
            mode = {"uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            files.append({"path": file["path"], **mode, "oid": held.etag if held else None})
        self.answer(200, {"files": files})

    def batch(self, repo: str) -> None:
        found, objects = self.find(repo), []
        for wanted in json.loads(self.body)["objects"]:
            one = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in found.uploaded:
                one["actions"] = {"upload": {"href": f"{self.hub.storage}/upload/{repo}/{wanted['oid']}", "header": {}}}
            objects.append(one)
        self.answer(200, {"transfer": "basic", "objects": objects})

    def upload(self, repo: str, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refused(400, message="The content does not have the announced checksum")
        self.hub.repos[repo].uploaded[oid] = self.body
        self.answer(200, {})

    def commit(self, repo: str, revision: str) -> None:
        pull_request = "create_pr" in self.query
        found = self.find(repo, write=not pull_request)
        header, *changes = [json.loads(line) for line in self.body.splitlines()]
        with self.hub.lock:
            head, held = self.find_tree(repo, revision)
            if header["value"].get("parentCommit", head) != head:
                raise Refused(412, message="A commit has happened since. Please refresh and try again.")
            tree = dict(held)
            for change in changes:
                value = change["value"]
                if change["key"] == "file":
                    tree[value["path"]] = Blob(base64.b64decode(value["content"]), False)
                elif change["key"] == "lfsFile":
                    if value["oid"] not in found.uploaded:
                        raise Refused(400, message=f"{value['path']} was not uploaded")
                    tree[value["path"]] = Blob(found.uploaded[value["oid"]], True)
                else:
                    gone = value["path"].rstrip("/")
                    tree = {p: b for p, b in tree.items() if p != gone and not p.startswith(f"{gone}/")}
            number = sum(ref.startswith("refs/pr/") for ref in found.refs) + 1
            sha = found.commit(f"refs/pr/{number}" if pull_request else revision, tree)
        document = {"commitUrl": f"{self.hub.url}/{repo}/commit/{sha}", "commitOid": sha, "success": True}
        if pull_request:
            document["pullRequestUrl"] = f"{self.hub.url}/{repo}/discussions/{number}"
        self.answer(200, document)

    def info(self, repo: str, revision: str = "main") -> None:
        sha, tree = self.find_tree(repo, revision)
        siblings = [{"rfilename": path} for path in tree]
        self.answer(200, {"id": repo, "sha": sha, "private": self.hub.repos[repo].private, "siblings": siblings})

    def tree(self, repo: str, revision: str) -> None:
        _, tree = self.find_tree(repo, revision)
        start = int(self.query.get("cursor", ["0"])[0])
        paths, entries = sorted(tree), []
        for path in paths[start : start + PAGE]:
            blob = tree[path]
            entry = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.git_oid}
            if blob.lfs:
                entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 130}
            entries.append(entry)
        more = start + PAGE < len(paths)
        following = f"{self.hub.url}{urlsplit(self.path).path}?recursive=true&cursor={start + PAGE}"
        self.answer(200, entries, {"Link": f'<{following}>; rel="next"'} if more else {})

    def resolve(self, repo: str, revision: str, path: str) -> None:
        sha, tree = self.find_tree(repo, revision)
        if path not in tree:
            raise Refused(404, "EntryNotFound", "Entry not found")
        blob = tree[path]
        headers = {"X-Repo-Commit": sha, "ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes"}
        if blob.lfs:
            headers |= {"X-Linked-Etag": f'"{blob.etag}"', "X-Linked-Size": str(len(blob.content))}
            self.send(302, b"", headers | {"Location": f"{self.hub.storage}/cdn/{repo}/{blob.sha256}/{path}"})
            return
        self.download(path, blob.content, headers)

    def cdn(self, repo: str, oid: str, path: str) -> None:
        self.download(path, self.hub.repos[repo].uploaded[oid], {"ETag": f'"{oid}"'})

    def download(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        if self.command == "GET":
            self.hub.downloaded.append(path)
        if self.broken == "altered":
            content = bytes([content[0] ^ 1]) + content[1:]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not asked:
            self.send(200, content, headers)
            return
        first, last = int(asked[1]), int(asked[2] or len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self.send(206, content[first : last + 1], headers)
