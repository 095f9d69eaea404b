"""FastAPI with a response model: the page is a live model in memory, which FastAPI validates and writes.

It checks the query's limit. It has no store, checks no key, and keeps no
reply.
"""

from typing import Annotated, Any

from fastapi import FastAPI, Query

from bench.servers.plain_models import plain_model
from bench.servers.serving import serve
from gateway.domain.queries import JobPage


def app(page: bytes) -> FastAPI:
    """`GET /v2/jobs`."""
    model = plain_model(JobPage)
    shown = model.model_validate_json(page)
    api = FastAPI()

    @api.get("/v2/jobs", response_model=model, response_model_exclude_none=True)
    async def list_jobs(limit: Annotated[int, Query(ge=1, le=100)] = 50) -> Any:  # noqa: ARG001
        return shown

    return api


if __name__ == "__main__":
    serve(app)
