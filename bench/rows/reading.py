"""Rows 1 to 5: one job and lists of a hundred, over both doors and from rivals."""

from collections.abc import Iterator

from bench.alike import check_alike, plain_json, plain_xml
from bench.compared import Side, compared
from bench.figures import Figure, at_least, at_most
from bench.http import ask, get, soap
from bench.jobs import job_id
from bench.stand import Stand

_CURSOR = frozenset({"nextStartAfter"})
"""It is sealed anew for each reply."""
_REST_LIST = [get("/v2/jobs?limit=100")]
_SOAP_LIST = [soap("listJobs", "<query><limit>100</limit></query>")]
_FIRST = job_id(0)
_REST_ONE = [get(f"/v2/jobs/{_FIRST}")]
_SOAP_ONE = [soap("getJob", f"<jobId>{_FIRST}</jobId>")]


def soap_to_rest_list(stand: Stand) -> Iterator[Figure]:
    """Row 1."""
    server = stand.small()
    rest = plain_json(ask(server.port, _REST_LIST[0]).body, without=_CURSOR)
    soaped = plain_xml(ask(server.port, _SOAP_LIST[0]).body, without=_CURSOR)
    check_alike("listJobs, SOAP and REST", soaped, rest)
    yield compared(
        "SOAP listJobs(100) : REST listJobs(100)",
        Side(server, _SOAP_LIST),
        Side(server, _REST_LIST),
        effort=stand.effort,
        goal=at_most(1.5),
    )


def soap_list_to_models(stand: Stand) -> Iterator[Figure]:
    """Row 2."""
    server = stand.small()
    ours = plain_xml(ask(server.port, _SOAP_LIST[0]).body, without=_CURSOR)
    for name, told, goal in (
        ("starlette_models", "Starlette from models", 0.6),
        ("fastapi_models", "FastAPI with a response model", 0.4),
    ):
        rival = stand.rival(name)
        theirs = plain_json(ask(rival.port, _REST_LIST[0]).body, without=_CURSOR)
        check_alike(f"listJobs, SOAP and {name}", ours, theirs)
        yield compared(
            f"SOAP listJobs(100) : {told}",
            Side(server, _SOAP_LIST),
            Side(rival, _REST_LIST),
            effort=stand.effort,
            goal=at_most(goal),
        )


def plain_spyne_to_soap(stand: Stand) -> Iterator[Figure]:
    """Row 3."""
    server, rival = stand.small(), stand.rival("plain_spyne")
    for told, requests, goal in (
        ("listJobs(100)", _SOAP_LIST, 100),
        ("getJob", _SOAP_ONE, 8),
    ):
        ours = plain_xml(ask(server.port, requests[0]).body, without=_CURSOR)
        theirs = plain_xml(ask(rival.port, requests[0]).body, without=_CURSOR)
        check_alike(f"{told}, plain Spyne and SOAP", theirs, ours)
        yield compared(
            f"plain Spyne : SOAP, {told}",
            Side(rival, requests),
            Side(server, requests),
            effort=stand.effort,
            goal=at_least(goal),
        )


def rest_job_to_constant(stand: Stand) -> Iterator[Figure]:
    """Row 4."""
    server, rival = stand.small(), stand.rival("constant")
    ours, theirs = ask(server.port, _REST_ONE[0]).body, ask(rival.port, _REST_ONE[0]).body
    check_alike("getJob, REST and the constant", ours, theirs)
    yield compared(
        "REST getJob : the same bytes as a constant",
        Side(server, _REST_ONE),
        Side(rival, _REST_ONE),
        effort=stand.effort,
        goal=at_most(1.5),
    )


def soap_to_rest_job(stand: Stand) -> Iterator[Figure]:
    """Row 5. A hundred jobs in turn, so that no reply is the one before."""
    server = stand.small()
    ids = [job_id(number) for number in range(100)]
    rest = [get(f"/v2/jobs/{id_}") for id_ in ids]
    soaped = [soap("getJob", f"<jobId>{id_}</jobId>") for id_ in ids]
    check_alike(
        "getJob, SOAP and REST",
        plain_xml(ask(server.port, soaped[0]).body),
        plain_json(ask(server.port, rest[0]).body),
    )
    yield compared(
        "SOAP getJob : REST getJob",
        Side(server, soaped),
        Side(server, rest),
        effort=stand.effort,
        goal=at_most(1.8),
    )
