"""The operations that read results of jobs."""

import json
from typing import Any

from gateway.domain.access import first_request, job_not_found, remember, sees
from gateway.domain.call import Call
from gateway.domain.entry_pages import EntryPages
from gateway.domain.errors import Problem, ValidationFailed
from gateway.domain.house import House
from gateway.domain.identity import job_key
from gateway.domain.ports import JobReader, JobWriter
from gateway.domain.record import Stored
from gateway.domain.result_store import Filters, Place, Records, Slice
from gateway.domain.results import (
    JobResult,
    JobResultPage,
    JobResultQuery,
    LastResults,
    LastResultSelection,
    StorageResultQuery,
)
from gateway.domain.words import ResultOmitFeature


async def list_job_run_results(
    house: House, call: Call, *, job_id: str, query: JobResultQuery
) -> JobResultPage:
    """List the results that a job wrote to a storage, ordered by id. A page may hold fewer results than
    `limit`, because none is longer than 8 MiB; only a missing `nextStartAfter` means the end. A storage that
    is not open has no results.
    """
    key = job_key(job_id)
    document = await house.store.read(lambda tx: tx.document(key))
    if document is None or not sees(call, document.organization_id):
        raise job_not_found(job_id)
    place = Place(organization_id=document.organization_id, storage_id=query.storage_id, job_id=key)
    return await _page(house, query, place)


async def list_storage_results(
    house: House, call: Call, *, storage_id: str, query: StorageResultQuery
) -> JobResultPage:
    """List the results in a storage of the caller's organization, ordered by id. A page may hold fewer
    results than `limit`, because none is longer than 8 MiB; only a missing `nextStartAfter` means the end. A
    storage that is not open has no results.
    """
    place = Place(organization_id=call.caller.organization_id, storage_id=storage_id)
    return await _page(house, query, place)


async def _page(house: House, query: JobResultQuery | StorageResultQuery, place: Place) -> JobResultPage:
    pages = EntryPages(house, query, "results", place.organization_id, place.storage_id, place.job_id or "")
    after = pages.after()
    filters = Filters(
        partners=query.business_partner_id,
        sources=() if query.data_source_id is None else (query.data_source_id,),
        externals=query.external_id,
        status=query.status,
    )
    counted = ResultOmitFeature.NUMBER_OF_TOTAL not in query.features_off

    def work(tx: JobReader) -> tuple[Slice[JobResult], int | None]:
        found = tx.results.page(place, filters, after=after, limit=query.limit)
        return found, tx.results.count(place, filters) if counted else None

    def quick(tx: JobReader) -> tuple[Slice[JobResult], int | None] | None:
        long = tx.results.takes_long(place, filters, limit=query.limit, counted=counted)
        return None if long else work(tx)

    read = await house.store.read(quick)
    if read is None:
        read = await house.store.read(work, long=True)
    found, total = read
    return JobResultPage.model_construct(**pages.page(found.items, more=found.more, total=total))


async def fetch_last_job_results(house: House, call: Call, *, selection: LastResultSelection) -> LastResults:
    """Fetch the newest result (the one with the largest id) of each record that has one, from a storage of
    the caller's organization: first those of the business partners, then those of the external ids, in the
    order asked for. A result that is the newest of two records is shown once. A storage that is not open has
    no results.
    """
    _check(selection)
    organization_id, storage_id = call.caller.organization_id, selection.storage_id
    records = Records(
        job_type=selection.job_type,
        partners=selection.business_partner_ids,
        source=selection.data_source_id,
        externals=selection.external_ids,
    )

    def work(tx: JobReader) -> list[Stored[JobResult]]:
        return tx.results.newest(organization_id, storage_id, records)

    def once(tx: JobWriter) -> list[Stored[JobResult]]:
        """A repeat gets what the first got, but for what was deleted since: results never change."""
        first = first_request(tx, call)
        if first is not None:
            return tx.results.some(organization_id, storage_id, json.loads(first.reply or b"[]"))
        found = work(tx)
        ids = json.dumps([int(result.id) for result in found])
        remember(tx, call, house.clock.now(), reply=ids.encode())
        return found

    found = await (house.store.read(work, long=True) if call.once is None else house.store.write(once))
    shown: dict[str, Any] = {"count": len(found), "values": tuple(found)}
    return LastResults.model_construct(**shown)


def _check(selection: LastResultSelection) -> None:
    problems = []
    if not selection.business_partner_ids and not selection.external_ids:
        problems.append(Problem(("selection",), "needs businessPartnerIds or externalIds"))
    if selection.external_ids and selection.data_source_id is None:
        problems.append(Problem(("selection", "dataSourceId"), "is required with externalIds"))
    if problems:
        raise ValidationFailed("the request has 1 wrong field", problems=problems)
