"""A hub of one process on loopback: what huggingface_hub asks for when it uploads, and no more."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

TOKEN = "hf_loopback"
COMMIT = "c" * 40


@dataclass
class Hub:
    """What was uploaded: files by repository and branch, objects by hash, the paths asked for, the tokens that came."""

    large: tuple[str, ...] = ()
    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, Any]:  # noqa: PLR0911
        """Status and JSON for one request."""
        self.asked.append(f"{method} {path}")
        self.tokens.add(token)
        words = unquote(path).strip("/").split("/")
        if method == "PUT" and words[0] == "objects":
            assert hashlib.sha256(body).hexdigest() == words[1]
            self.objects[words[1]] = body
            return 200, {}
        if token != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid credentials in Authorization header"}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            assert json.loads(body)["content"].startswith("---\n")
            return 200, {"errors": [], "warnings": []}
        if path.endswith(".git/info/lfs/objects/batch"):
            wanted = json.loads(body)["objects"]
            upload = [{**row, "actions": {"upload": {"href": f"{self.url}/objects/{row['oid']}"}}} for row in wanted]
            return 200, {"transfer": "basic", "objects": upload}
        kind, repo, revision = words[4] if len(words) > 4 else "", "/".join(words[2:4]), "/".join(words[5:])
        if words[:2] != ["api", "models"] or repo not in self.private:
            return 404, {"error": "Repository not found"}
        if kind == "branch":
            self.files[f"{repo}@{revision}"] = {}
            return 200, {}
        if f"{repo}@{revision}" not in self.files:
            return 404, {"error": f"Invalid rev id: {revision}"}
        if kind == "preupload":
            names = [row["path"] for row in json.loads(body)["files"]]
            modes = ["lfs" if name in self.large else "regular" for name in names]
            rows = zip(names, modes, strict=True)
            return 200, {"files": [{"path": n, "uploadMode": m, "shouldIgnore": False} for n, m in rows]}
        if kind == "commit":
            return self._commit(f"{repo}@{revision}", [json.loads(line) for line in body.splitlines()])
        return 404, {"error": "Not found"}

    def _create(self, row: dict[str, Any]) -> tuple[int, Any]:
        repo = f"{row['organization'] or 'me'}/{row['name']}"
        if repo.startswith("other/"):
            return 403, {"error": "You don't have the rights to create a model under the namespace other"}
        status = 409 if repo in self.private else 200
        self.private.setdefault(repo, row.get("visibility") == "private" or bool(row.get("private")))  # older clients
        self.files.setdefault(f"{repo}@main", {})
        return status, {"url": f"{self.url}/{repo}", "id": repo, "name": repo}

    def _commit(self, place: str, rows: list[dict[str, Any]]) -> tuple[int, Any]:
        for row in rows:
            value = row["value"]
            if row["key"] == "header":
                self.messages.append(value["summary"])
            elif row["key"] == "file":
                self.files[place][value["path"]] = base64.b64decode(value["content"])
            else:
                self.files[place][value["path"]] = self.objects[value["oid"]]
        repo = place.partition("@")[0]
        return 200, {"success": True, "commitOid": COMMIT, "commitUrl": f"{self.url}/{repo}/commit/{COMMIT}"}


def serve(hub: Hub) -> ThreadingHTTPServer:
    """A server that answers for the hub; the caller runs and closes it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = urlparse(self.path).path
            status, row = hub.answer(self.command, path, body, self.headers.get("Authorization", ""))
            content = json.dumps(row).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _reply  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    return server
