"""The operations that write and delete entries of processing logs."""

from datetime import datetime

from gateway.domain.access import commit_reply
from gateway.domain.call import Call
from gateway.domain.errors import Problem, ValidationFailed
from gateway.domain.house import House
from gateway.domain.log_store import Log
from gateway.domain.model import dump
from gateway.domain.ports import JobWriter
from gateway.domain.processing_logs import ProcessingLogDeleteQuery, ProcessingLogWrite
from gateway.domain.record import AuditEntry
from gateway.domain.result_commands import summary
from gateway.domain.result_store import Filters
from gateway.domain.results import WriteSummary
from gateway.domain.words import ProcessingLogId


async def write_processing_log_data(
    house: House,
    call: Call,
    *,
    storage_id: str,
    processing_log_id: ProcessingLogId,
    entries: ProcessingLogWrite,
) -> WriteSummary:
    """Append 1 to 5000 entries to a processing log of the caller's organization in one step: all are durable
    at the reply, or none is kept. They get ids that follow each other, in their order. The first write opens
    the storage. `jobId` is kept as it is given and not looked up: an entry may outlive its job.
    """
    log = Log(organization_id=call.caller.organization_id, storage_id=storage_id, id=processing_log_id)

    def work(tx: JobWriter, now: datetime) -> WriteSummary:
        return summary(tx.logs.write(log, entries.entries, now), len(entries.entries))

    return await commit_reply(house, call, WriteSummary, work)


async def delete_processing_log_data(
    house: House,
    call: Call,
    *,
    storage_id: str,
    processing_log_id: ProcessingLogId,
    query: ProcessingLogDeleteQuery,
) -> None:
    """Delete the entries of a processing log of the caller's organization that fit every member of the query,
    of which at least one is needed. They are gone at the reply; an entry in the audit table remains.
    """
    filters = Filters(
        partners=query.business_partner_id,
        sources=query.data_source_id,
        externals=query.external_id,
        created_before=query.created_before,
    )
    if filters == Filters():
        detail = "needs createdBefore, dataSourceId, businessPartnerId or externalId"
        raise ValidationFailed("the request has 1 wrong field", problems=[Problem(("query",), detail)])
    log = Log(organization_id=call.caller.organization_id, storage_id=storage_id, id=processing_log_id)

    def work(tx: JobWriter) -> None:
        if tx.logs.remove(log, filters):
            tx.audit(
                AuditEntry(
                    at=house.clock.now(),
                    actor=call.caller.name,
                    action="log_entries.deleted",
                    subject=f"{storage_id}/{processing_log_id}",
                    organization_id=log.organization_id,
                    detail=dump(query).decode(),
                )
            )

    await house.store.write(work)
