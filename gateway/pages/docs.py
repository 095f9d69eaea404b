"""The page `/docs`: the OpenAPI document in Swagger UI, whose files come from a package, not a CDN."""

import base64
import hashlib
import re
from functools import partial
from importlib.resources import files

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp
from swagger_ui_bundle import swagger_ui_path

from gateway.http.needs_key import Doorkeeper, NeedsKey
from gateway.http.page import Page

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}

_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def docs_pages(*, key_needed_by: Doorkeeper | None = None) -> dict[str, ASGIApp]:
    """`/docs` and the files that it loads, open to everyone, or to those whom the given seam admits."""

    def closed(page: ASGIApp) -> ASGIApp:
        return NeedsKey(page, key_needed_by) if key_needed_by else page

    page = files("gateway.pages").joinpath("docs.html").read_bytes()
    headers = {"content-security-policy": _policy(page), "referrer-policy": "no-referrer"}
    pages: dict[str, ASGIApp] = {
        "/docs": closed(Page(lambda: page, "text/html", headers)),
        "/docs/": RedirectResponse("/docs", 308),
    }
    for name, media_type in _ASSETS.items():
        pages[f"/docs/{name}"] = closed(Page(partial(_asset, name), media_type))
    return pages


def _asset(name: str) -> bytes:
    content: bytes = (swagger_ui_path / name).read_bytes()
    return content


def _policy(page: bytes) -> str:
    """Nothing but the gateway's own files, and of scripts in the page the one that is known by its hash."""
    script = _SCRIPT.search(page.decode())
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
