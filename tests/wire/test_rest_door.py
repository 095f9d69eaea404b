"""What REST alone knows of a request and a reply: media types, methods, tags, links and problems.

A stand-in is behind the door, so that each test sees what the door handed on.
"""

import gzip
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.seam import Request
from gateway.domain.call import Call, Caller, IfMatch
from gateway.domain.errors import (
    InternalServerError,
    JobNotFound,
    JobsError,
    Problem,
    TooManyRequests,
    Unauthorized,
    ValidationFailed,
)
from gateway.domain.job import Job
from gateway.domain.queries import JobPage
from gateway.domain.record import Stored
from gateway.domain.words import Role
from gateway.http.request_id import RequestIds
from gateway.rest.door import rest_door

ME = Caller(name="me", role=Role.ADMIN, organization_id="default")
LIMIT = 5000


def job(version: int = 5, *, size: int = 20) -> Stored[Job]:
    document = json.dumps({"id": "j-1", "name": "x" * size}).encode()
    return Stored(Job, "j-1", "default", version, document)


class StandIn:
    """Admits everyone, notes what it is handed and replies what a test wants."""

    def __init__(self) -> None:
        self.reply: Any = job()
        self.admission: JobsError | None = None
        self.error: JobsError | None = None
        self.requests: list[Request] = []
        self.ran: list[tuple[str, dict[str, Any]]] = []

    async def admit(self, operation: Operation, request: Request) -> Call:
        self.requests.append(request)
        if self.admission:
            raise self.admission
        return Call(caller=ME, protocol=request.protocol, request_id=request.request_id)

    async def run(self, operation: Operation, call: Call, parts: dict[str, Any]) -> Any:
        self.ran.append((operation.name, parts))
        if self.error:
            raise self.error
        return self.reply if operation.reply else None


@pytest.fixture
def seam() -> StandIn:
    return StandIn()


@pytest.fixture
async def http(seam: StandIn) -> AsyncIterator[httpx.AsyncClient]:
    app = RequestIds(rest_door(seam, max_body_bytes=LIMIT))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://localhost",
        headers={"accept-encoding": "identity"},
    ) as client:
        yield client


def key_of(reply: httpx.Response) -> str:
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["type"] == f"urn:jobs-gateway:error:{problem['technicalKey']}"
    assert problem["status"] == reply.status_code == problem["code"] // 100_000
    assert problem["requestId"] == reply.headers["x-request-id"]
    return str(problem["technicalKey"])


def concrete(path: str) -> str:
    return re.sub(r"\{\w+\}", "j-1", path)


JSON_OPERATIONS = [o for o in OPERATIONS if not o.http.raw_body and not o.http.raw_reply]


@pytest.mark.parametrize("operation", JSON_OPERATIONS, ids=lambda operation: operation.name)
async def test_every_operation_is_reached_at_all_its_paths(
    http: httpx.AsyncClient, seam: StandIn, operation: Operation
) -> None:
    if operation.reply and "limit" in operation.reply.model.model_fields:
        seam.reply = operation.reply.model.model_construct(limit=50)
    for path in (operation.http.path, *operation.http.aliases):
        parts_of_body = {operation.body.name: {}} if operation.body else {}
        wrapped = operation.body and operation.body.wrapped
        body = {"json": parts_of_body if wrapped else {}} if operation.body else {}
        reply = await http.request(operation.http.method, concrete(path), **body)
        assert reply.status_code == operation.http.status
        name, parts = seam.ran.pop()
        assert name == operation.name
        query = {"query": {}} if operation.query_required else {}
        assert parts == {part.name: "j-1" for part in operation.path} | query | parts_of_body


async def test_a_get_shows_the_stored_document_with_its_tag(http: httpx.AsyncClient, seam: StandIn) -> None:
    reply = await http.get("/v2/jobs/j-1", headers={"X-Request-Id": "r-1"})
    assert reply.content == job().json
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["etag"] == '"5"'
    assert reply.headers["x-request-id"] == "r-1"
    assert seam.requests[0].request_id == "r-1"


async def test_what_is_created_has_a_location(http: httpx.AsyncClient) -> None:
    reply = await http.post("/v2/jobs", json={})
    assert (reply.status_code, reply.headers["location"]) == (201, "/v2/jobs/j-1")
    assert "location" not in (await http.post("/v2/jobs/j-1/cancel")).headers


async def test_head_has_the_headers_of_get_and_no_body(http: httpx.AsyncClient) -> None:
    get, head = await http.get("/v2/jobs/j-1"), await http.head("/v2/jobs/j-1")
    assert head.content == b""
    same = ("content-length", "etag", "content-type")
    assert [head.headers[name] for name in same] == [get.headers[name] for name in same]
    assert (await http.head("/v2/jobs/j-1/cancel")).content == b""


async def test_options_tells_the_methods(http: httpx.AsyncClient, seam: StandIn) -> None:
    reply = await http.options("/v2/jobs/j-1")
    assert (reply.status_code, reply.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH")
    assert not seam.requests


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v2/jobs"), ("POST", "/v2/info"), ("TRACE", "/v2/jobs")]
)
async def test_a_wrong_method_is_told_the_right_ones(http: httpx.AsyncClient, method: str, path: str) -> None:
    reply = await http.request(method, path)
    assert key_of(reply) == "METHOD_NOT_ALLOWED"
    assert reply.headers["allow"] == (await http.options(path)).headers["allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2",
        "/v2/",
        "/v2/jobs/",
        "/v2/jobs//",
        "/v2/jobs/j-1/nothing",
        "/jobs",
        "/%ff",
        "/v2/jobs/j/x/y",
    ],
)
async def test_an_unknown_path_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    assert key_of(await http.get(path)) == "NOT_FOUND"


@pytest.mark.parametrize(
    ("path", "name", "job_id"),
    [
        ("/v2/jobs/types", "listJobTypes", None),
        ("/v2/jobs/a%2Fb", "getJob", "a/b"),
        ("/v2/jobs/%2F", "getJob", "/"),
        ("/v2/jobs/a%2Fwait", "getJob", "a/wait"),
        ("/v2/jobs/a+b%20c", "getJob", "a+b c"),
        ("/v2/jobs/%C3%A9", "getJob", "é"),
        ("/v2/j%6Fbs/types/events", "listJobEvents", "types"),
    ],
)
async def test_paths_are_split_before_they_are_decoded(
    http: httpx.AsyncClient, seam: StandIn, path: str, name: str, job_id: str | None
) -> None:
    seam.reply = JobPage.model_construct(limit=1) if job_id is None or "Events" in name else job()
    assert (await http.get(path)).status_code == 200
    ran, parts = seam.ran[0]
    assert (ran, parts.get("jobId")) == (name, job_id)


async def test_a_path_that_cannot_be_decoded_names_nothing(http: httpx.AsyncClient) -> None:
    assert key_of(await http.get("/v2/jobs/%FF")) == "NOT_FOUND"


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/*",
        "application/json",
        "APPLICATION/JSON;charset=utf-8",
        "text/html, */*;q=0.1",
        "",
    ],
)
async def test_json_is_sent_to_those_who_accept_it(http: httpx.AsyncClient, accept: str) -> None:
    assert (await http.get("/v2/jobs/j-1", headers={"Accept": accept})).status_code == 200


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/problem+json",
        "application/json;q=0",
        "*/*, application/json;q=0",
        "application/*;q=0, */*",
        "application/json;q=x",
    ],
)
async def test_others_are_told_that_there_is_nothing_else(
    http: httpx.AsyncClient, seam: StandIn, accept: str
) -> None:
    assert key_of(await http.get("/v2/jobs/j-1", headers={"Accept": accept})) == "NOT_ACCEPTABLE"
    assert not seam.ran
    assert (await http.delete("/v2/jobs/j-1", headers={"Accept": accept})).status_code == 204


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json;v=1",
    ],
)
async def test_json_bodies_are_read(http: httpx.AsyncClient, media_type: str) -> None:
    reply = await http.post("/v2/jobs", content=b"{}", headers={"Content-Type": media_type})
    assert reply.status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/merge-patch+json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "identity"},
    ],
)
async def test_other_bodies_are_not(http: httpx.AsyncClient, seam: StandIn, headers: dict[str, str]) -> None:
    assert key_of(await http.post("/v2/jobs", content=b"{}", headers=headers)) == "UNSUPPORTED_MEDIA_TYPE"
    assert not seam.ran


@pytest.mark.parametrize("media_type", ["application/json", "application/merge-patch+json"])
async def test_a_patch_has_two_media_types(http: httpx.AsyncClient, seam: StandIn, media_type: str) -> None:
    body = b'{"name": null, "clear": ["description"]}'
    reply = await http.patch("/v2/jobs/j-1", content=body, headers={"Content-Type": media_type})
    assert reply.status_code == 200
    assert seam.ran[0][1]["fields"] == {"name": None, "clear": ["description"]}


async def test_an_optional_body_may_be_left_out(http: httpx.AsyncClient, seam: StandIn) -> None:
    assert (await http.post("/v2/jobs/j-1/cancel")).status_code == 200
    assert (await http.post("/v2/jobs/j-1/cancel", headers={"Content-Type": "text/plain"})).status_code == 200
    assert seam.ran == [("cancelJob", {"jobId": "j-1"})] * 2


@pytest.mark.parametrize(("method", "path"), [("POST", "/v2/jobs/j-1/rerun"), ("DELETE", "/v2/jobs/j-1")])
async def test_a_body_that_nobody_reads_is_refused(
    http: httpx.AsyncClient, seam: StandIn, method: str, path: str
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"{}"

    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    assert key_of(await http.request(method, path, content=b"{}")) == "BAD_REQUEST"
    assert key_of(await http.request(method, path, content=pieces())) == "BAD_REQUEST"
    assert not seam.ran
    assert (await http.request(method, path, content=nothing())).is_success


async def test_a_body_past_the_limit_is_refused_but_only_to_those_who_may_ask(
    http: httpx.AsyncClient, seam: StandIn
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 1000

    json_body = {"Content-Type": "application/json"}
    assert key_of(await http.post("/v2/jobs", content=pieces(), headers=json_body)) == "PAYLOAD_TOO_LARGE"
    assert key_of(await http.post("/v2/jobs", content=b" " * 5001, headers=json_body)) == "PAYLOAD_TOO_LARGE"
    seam.admission = Unauthorized("no key")
    reply = await http.post("/v2/jobs", content=b"{broken", headers=json_body)
    assert key_of(reply) == "UNAUTHORIZED"
    assert reply.headers["www-authenticate"] == 'Basic realm="jobs-gateway"'


async def test_headers_reach_the_seam(http: httpx.AsyncClient, seam: StandIn) -> None:
    headers = {"X-API-KEY": "k", "Idempotency-Key": "once", "If-Match": '"4", "5-gzip"'}
    await http.post("/v2/jobs/j-1/cancel", headers=headers)
    request = seam.requests[0]
    assert request.credentials.secret == "k"
    assert (request.idempotency_key, request.if_match) == ("once", IfMatch(frozenset({4, 5})))
    assert (
        key_of(await http.post("/v2/jobs", json={}, headers={"Idempotency-Key": "é".encode()}))
        == "VALIDATION_FAILED"
    )
    refused = await http.patch("/v2/jobs/j-1", json={}, headers={"If-Match": "5"})
    assert key_of(refused) == "VALIDATION_FAILED"
    assert [error["parameter"] for error in refused.json()["errors"]] == ["If-Match"]


@pytest.mark.parametrize("tag", ['"5"', 'W/"5"', '"5-gzip"', '"1", "5"', "*"])
async def test_a_version_that_the_caller_has_is_not_sent_again(http: httpx.AsyncClient, tag: str) -> None:
    reply = await http.get("/v2/jobs/j-1", headers={"If-None-Match": tag})
    assert (reply.status_code, reply.content) == (304, b"")
    assert reply.headers["etag"] == '"5"'
    assert (await http.patch("/v2/jobs/j-1", json={}, headers={"If-None-Match": tag})).status_code == 200


async def test_a_long_reply_is_compressed_for_those_who_ask(http: httpx.AsyncClient, seam: StandIn) -> None:
    seam.reply = job(size=3000)
    async with http.stream("GET", "/v2/jobs/j-1", headers={"Accept-Encoding": "gzip"}) as reply:
        raw = b"".join([piece async for piece in reply.aiter_raw()])
    assert gzip.decompress(raw) == seam.reply.json
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["etag"] == '"5-gzip"'
    assert int(reply.headers["content-length"]) == len(raw)
    plain = await http.get("/v2/jobs/j-1")
    assert (plain.headers["etag"], plain.content) == ('"5"', seam.reply.json)
    assert plain.headers["vary"] == reply.headers["vary"] == "Accept-Encoding"
    seam.reply = job()
    short = await http.get("/v2/jobs/j-1", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in short.headers


async def test_a_page_links_to_the_next_one(http: httpx.AsyncClient, seam: StandIn) -> None:
    seam.reply = JobPage.model_construct(jobs=(job(),), limit=1, next_start_after="a/b=&é")
    reply = await http.get("/v2/jobs?limit=1&tag=a%2Cb,c&&st%61rtAfter=old&sort=+createdAt")
    link = '</v2/jobs?limit=1&tag=a%2Cb,c&sort=+createdAt&startAfter=a%2Fb%3D%26%C3%A9>; rel="next"'
    assert reply.headers["link"] == link
    assert reply.json() == {"jobs": [job_value()], "nextStartAfter": "a/b=&é", "limit": 1}
    seam.reply = JobPage.model_construct(limit=1)
    assert "link" not in (await http.get("/v2/jobs")).headers


def job_value() -> Any:
    return json.loads(job().json)


async def test_a_link_holds_nothing_that_could_end_it(http: httpx.AsyncClient, seam: StandIn) -> None:
    seam.reply = JobPage.model_construct(limit=1, next_start_after="c")
    reply = await http.get("/v2/jobs?user=%3E%22x")
    assert reply.headers["link"] == '</v2/jobs?user=%3E%22x&startAfter=c>; rel="next"'


@pytest.mark.parametrize(
    ("asked", "wrong", "told"),
    [
        ("POST /v2/jobs", ("job", "a/b", 0, "~c"), {"pointer": "/a~1b/0/~0c", "detail": "is wrong"}),
        ("POST /v2/jobs", ("job",), {"pointer": "", "detail": "is wrong"}),
        ("GET /v2/jobs", ("query", "limit"), {"parameter": "limit", "detail": "is wrong"}),
        ("GET /v2/jobs", ("query", "tag", 3), {"parameter": "tag", "detail": "value 4 is wrong"}),
        ("GET /v2/jobs", ("query",), {"detail": "is wrong"}),
        ("GET /v2/jobs/j-1", ("jobId",), {"parameter": "jobId", "detail": "is wrong"}),
        ("GET /v2/jobs/j-1", (), {"detail": "is wrong"}),
    ],
)
async def test_a_problem_says_where_in_the_request_it_is(
    http: httpx.AsyncClient, seam: StandIn, asked: str, wrong: tuple[str | int, ...], told: dict[str, str]
) -> None:
    seam.error = ValidationFailed("1 wrong field", problems=[Problem(wrong, "is wrong")])
    method, path = asked.split()
    reply = await http.request(method, path, **({"json": {}} if method == "POST" else {}))
    assert key_of(reply) == "VALIDATION_FAILED"
    assert reply.json()["errors"] == [told]
    assert reply.json()["detail"] == "1 wrong field"


@pytest.mark.parametrize("error", [JobNotFound("no such job"), InternalServerError("it broke")])
async def test_errors_are_problems(http: httpx.AsyncClient, seam: StandIn, error: JobsError) -> None:
    seam.error = error
    reply = await http.get("/v2/jobs/j-1")
    assert key_of(reply) == error.key
    assert reply.json()["detail"] == error.reason
    assert reply.json()["errors"] == []


async def test_a_passing_error_says_when_to_try_again(http: httpx.AsyncClient, seam: StandIn) -> None:
    seam.error = TooManyRequests("full", retry_after_seconds=7)
    assert (await http.get("/v2/jobs/j-1")).headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("body", "key", "errors"),
    [
        (b"{", "MALFORMED_MESSAGE", []),
        (b"[]", "VALIDATION_FAILED", [{"pointer": "", "detail": "must be a JSON object"}]),
        (
            b'{"dockerImageUrl":1,"tags":[{"b":1,"b":2}]}',
            "VALIDATION_FAILED",
            [
                {"pointer": "/dockerImageUrl", "detail": "must be text"},
                {"pointer": "/tags/0", "detail": "must be text"},
                {"pointer": "/tags/0/b", "detail": "is given twice"},
            ],
        ),
    ],
)
async def test_broken_bodies_are_problems(
    http: httpx.AsyncClient, seam: StandIn, body: bytes, key: str, errors: list[dict[str, str]]
) -> None:
    reply = await http.post("/v2/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (key_of(reply), reply.json()["errors"]) == (key, errors)
    assert not seam.ran


async def test_an_operation_without_query_takes_no_parameters(http: httpx.AsyncClient, seam: StandIn) -> None:
    reply = await http.get("/v2/jobs/j-1?verbose=1&utm_source=mail&_=123")
    assert reply.json()["errors"] == [{"parameter": "verbose", "detail": "is not known here"}]
    assert (await http.get("/v2/jobs/j-1?utm_source=mail&_=123")).status_code == 200
    assert seam.ran == [("getJob", {"jobId": "j-1"})]
