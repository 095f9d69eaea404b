"""The operation that reads processing logs."""

from functools import partial

from gateway.domain.call import Call
from gateway.domain.entry_pages import EntryPages
from gateway.domain.house import House
from gateway.domain.json_keys import keep_keys
from gateway.domain.log_store import Log
from gateway.domain.ports import JobReader
from gateway.domain.processing_logs import ProcessingLogEntry, ProcessingLogPage, ProcessingLogQuery
from gateway.domain.result_store import Filters, Slice
from gateway.domain.words import LogOmitFeature, ProcessingLogId


async def list_processing_log_data(
    house: House,
    call: Call,
    *,
    storage_id: str,
    processing_log_id: ProcessingLogId,
    query: ProcessingLogQuery,
) -> ProcessingLogPage:
    """List the entries of a processing log of the caller's organization, ordered by id. A page may hold fewer
    entries than `limit`, because none is longer than 8 MiB; only a missing `nextStartAfter` means the end. A
    log that nobody wrote to is empty.
    """
    log = Log(organization_id=call.caller.organization_id, storage_id=storage_id, id=processing_log_id)
    pages = EntryPages(house, query, "log", log.organization_id, storage_id, processing_log_id)
    after = pages.after()
    filters = Filters(
        partners=query.business_partner_id,
        sources=query.data_source_id,
        externals=query.external_id,
        status=query.status,
        created_after=query.created_after,
        created_before=query.created_before,
    )
    counted = LogOmitFeature.NUMBER_OF_TOTAL not in query.features_off
    data = partial(keep_keys, keys=frozenset(query.fields)) if query.fields else str
    shown = None if LogOmitFeature.FETCH_RESULT_DATA in query.features_off else data

    def work(tx: JobReader) -> tuple[Slice[ProcessingLogEntry], int | None]:
        found = tx.logs.page(log, filters, after=after, limit=query.limit, data=shown)
        return found, tx.logs.count(log, filters) if counted else None

    def quick(tx: JobReader) -> tuple[Slice[ProcessingLogEntry], int | None] | None:
        long = tx.logs.takes_long(log, filters, limit=query.limit, counted=counted)
        return None if long else work(tx)

    read = await house.store.read(quick)
    if read is None:
        read = await house.store.read(work, long=True)
    found, total = read
    return ProcessingLogPage.model_construct(**pages.page(found.items, more=found.more, total=total))
