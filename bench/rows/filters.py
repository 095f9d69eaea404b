"""Row 8 and its kin: each filter alone, over a large store and a small one."""

from collections.abc import Iterator
from urllib.parse import urlencode

from bench import jobs
from bench.compared import Side, compared
from bench.figures import Figure, at_most
from bench.http import ask, get
from bench.stand import SMALL, Stand
from bench.written import LOG

_GOAL = 1.2
_TEXT_GOAL = 5
_FULL = 1_000_000
"""As many jobs as the goal names."""

JOB_FILTERS = {
    "none": {},
    "sort": {"sort": "-createdAt"},
    "user": {"user": "user-3"},
    "user, rare": {"user": "rare"},
    "organizationId": {"organizationId": "other"},
    "all organizations": {"featuresOn": "IGNORE_ORGANIZATION_RESTRICTIONS"},
    "storageId": {"storageId": "storage-3"},
    "storageId, rare": {"storageId": "rare"},
    "jobType": {"jobType": "DATA_CURATION_JOB"},
    "jobType, rare": {"jobType": "RARE_JOB"},
    "jobStatus": {"jobStatus": "FINISHED"},
    "jobStatus, rare": {"jobStatus": "DIED"},
    "tag": {"tag": "tag-3"},
    "tag, rare": {"tag": "rare"},
    "tag, two": {"tag": "tag-3,rare"},
    "tag, both": {"tag": "nightly,rare", "tagsConjunction": "true"},
    "label": {"label": "team=team-3"},
    "label, rare": {"label": "team=rare"},
    "scheduledJobId": {"scheduledJobId": jobs.schedule_id(3)},
    "scheduledJobId, rare": {"scheduledJobId": jobs.RARE_SCHEDULE},
    "dependentJobId": {"dependentJobId": jobs.job_id(0), "storageId": "rare", "jobType": "RARE_JOB"},
    "createdAfter": {"createdAfter": "2026-01-01T01:00:00Z"},
    "createdBefore": {"createdBefore": "2026-01-01T01:00:00Z", "sort": "-createdAt"},
    "text": {"text": "invoice"},
    "text, rare": {"text": "scarce"},
    "text, beginning of many words": {"text": "run"},
    "text, beginning of many rare words": {"text": "rarity"},
    "text, beginning of many words late in the list": {"text": "late"},
}
_ENTRY_FILTERS = {
    "none": {},
    "businessPartnerId, rare": {"businessPartnerId": "BPRARE"},
    "dataSourceId": {"dataSourceId": "source-3"},
    "dataSourceId, rare": {"dataSourceId": "rare"},
    "externalId, rare": {"externalId": "rare"},
    "status": {"status": "FAILED"},
    "startAfter": {"startAfter": "5000"},
}
_LOG_FILTERS = {
    "createdAfter": {"createdAfter": "2026-01-01T01:00:00Z"},
    "createdBefore": {"createdBefore": "2026-01-01T01:00:00Z"},
}


def job_list(query: dict[str, str]) -> bytes:
    """The request for a page of 100 jobs."""
    return _page("/v2/jobs", {"limit": "100", **query})


def job_filters(stand: Stand) -> Iterator[Figure]:
    """Row 8: listJobs."""
    for name, query in JOB_FILTERS.items():
        goal = _TEXT_GOAL if name.startswith("text") else _GOAL
        yield _figure(stand, f"listJobs, {name}", job_list(query), goal)


def result_filters(stand: Stand) -> Iterator[Figure]:
    """listJobRunResults and listStorageResults."""
    off = {"limit": "100", "featuresOff": "NUMBER_OF_TOTAL"}
    path = f"/v2/jobs/results/{jobs.STORAGE}"
    for name, query in _ENTRY_FILTERS.items():
        yield _figure(stand, f"listStorageResults, {name}", _page(path, off | query), _GOAL)
    run = f"/v2/jobs/{jobs.job_id(0)}/results"
    yield _figure(stand, "listJobRunResults", _page(run, off | {"storageId": jobs.STORAGE}), _GOAL)


def log_filters(stand: Stand) -> Iterator[Figure]:
    """listProcessingLogData."""
    off = {"limit": "100", "featuresOff": "NUMBER_OF_TOTAL"}
    path = f"/v2/storages/{jobs.STORAGE}/processinglogs/{LOG}/data"
    for name, query in (_ENTRY_FILTERS | _LOG_FILTERS).items():
        yield _figure(stand, f"listProcessingLogData, {name}", _page(path, off | query), _GOAL)


def _page(path: str, query: dict[str, str]) -> bytes:
    return get(f"{path}?{urlencode(query, safe=',')}")


def _figure(stand: Stand, name: str, request: bytes, goal: float) -> Figure:
    large, small = stand.large(), stand.small()
    for server in (large, small):
        found = ask(server.port, request).body.count(b'"createdAt"')
        if found != 100:
            raise RuntimeError(f"{name}: a page of {found} is compared with one of 100")
    return compared(
        f"{name}: {stand.effort.large:,} : {SMALL:,}",
        Side(large, [request]),
        Side(small, [request]),
        effort=stand.effort,
        goal=at_most(goal),
        connections=1,
        proof=stand.effort.large >= _FULL,
    )
