"""The bare constant: Starlette routes that return bytes made at the start.

What no server in Python does faster. It reads nothing, knows nobody, validates and writes nothing.
"""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.servers.serving import serve


def app(page: bytes) -> Starlette:
    """`GET /v2/jobs/{jobId}`: the first job, whatever the id."""
    job = json.dumps(json.loads(page)["jobs"][0], separators=(",", ":"), ensure_ascii=False).encode()

    async def get_job(_request: Request) -> Response:
        return Response(job, media_type="application/json")

    return Starlette(routes=[Route("/v2/jobs/{jobId}", get_job)])


if __name__ == "__main__":
    serve(app)
