"""Plain Starlette over pydantic models: the page is a live model in memory, dumped anew for each reply.

It has no store, reads no query, checks no key, and keeps no reply.
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.servers.plain_models import plain_model
from bench.servers.serving import serve
from gateway.domain.queries import JobPage


def app(page: bytes) -> Starlette:
    """`GET /v2/jobs`."""
    shown = plain_model(JobPage).model_validate_json(page)

    async def list_jobs(_request: Request) -> Response:
        return Response(
            shown.model_dump_json(by_alias=True, exclude_none=True), media_type="application/json"
        )

    return Starlette(routes=[Route("/v2/jobs", list_jobs)])


if __name__ == "__main__":
    serve(app)
