"""A stand-in of a registry of images: as much of its HTTP API (version 2) as a pull needs, on loopback.

Docker speaks plain HTTP with registries of 127.0.0.0/8, podman with those that it is told of. It has one
image, wants Basic credentials, and can answer with a failure instead.
"""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.engine_stand import image_layer

NAME, PASSWORD = "puller", "open sesame"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def digest(content: bytes) -> str:
    """The name of a blob."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class RegistryStand:
    """Serves `<host>/team/tool:1` as long as the context is entered."""

    def __init__(self) -> None:
        layer = image_layer()
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["echo", "pulled"]},
                "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
            }
        ).encode()
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(config), "digest": digest(config)},
                "layers": [{"mediaType": LAYER, "size": len(layer), "digest": digest(layer)}],
            }
        ).encode()
        self.blobs = {digest(config): config, digest(layer): layer}
        self.failure: tuple[int, str] | None = None
        """Status and code that are answered to requests for a manifest."""
        self.manifests_read = 0
        """How often the manifest was read."""
        stand = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand.answer(self, body=True)

            def do_HEAD(self) -> None:
                stand.answer(self, body=False)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> "RegistryStand":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        """Answer one request."""
        status, kind, content, more = self._reply(request, body=body)
        request.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **more}.items():
            request.send_header(name, value)
        request.end_headers()
        if body:
            request.wfile.write(content)

    def _reply(
        self, request: BaseHTTPRequestHandler, *, body: bool
    ) -> tuple[int, str, bytes, dict[str, str]]:
        expected = "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != expected:
            return self._error(401, "UNAUTHORIZED") + ({"WWW-Authenticate": 'Basic realm="stand"'},)
        place = request.path.removeprefix("/v2/")
        if not place:
            return 200, "application/json", b"{}", {}
        if place.startswith("team/tool/manifests/"):
            if self.failure is not None:
                return self._error(*self.failure) + ({},)
            if place.rpartition("/")[2] in ("1", digest(self.manifest)):
                self.manifests_read += body
                return 200, MANIFEST, self.manifest, {"Docker-Content-Digest": digest(self.manifest)}
            return self._error(404, "MANIFEST_UNKNOWN") + ({},)
        content = self.blobs.get(place.removeprefix("team/tool/blobs/"))
        if content is None:
            return self._error(404, "BLOB_UNKNOWN") + ({},)
        return 200, "application/octet-stream", content, {}

    @staticmethod
    def _error(status: int, code: str) -> tuple[int, str, bytes]:
        errors = {"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}
        return status, "application/json", json.dumps(errors).encode()
