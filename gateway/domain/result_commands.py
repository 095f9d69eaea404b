"""The operations that write and delete results of jobs."""

from datetime import datetime

from gateway.domain.access import commit_reply, visible
from gateway.domain.call import Call
from gateway.domain.errors import Forbidden, Problem, StorageNotOpen
from gateway.domain.house import House
from gateway.domain.ports import JobWriter
from gateway.domain.record import AuditEntry
from gateway.domain.results import JobResultsWrite, StorageQuery, WriteSummary


async def write_job_results(
    house: House, call: Call, *, job_id: str, results: JobResultsWrite
) -> WriteSummary:
    """Store the results of 1 to 5000 records in one step: all are durable at the reply, or none is kept. They
    get ids that follow each other, in their order. The storage is one of the job's organization and must be
    open (else STORAGE_NOT_OPEN); a running job with its token writes to its own `storageId` alone (else
    FORBIDDEN). Works in every status of the job.
    """

    def work(tx: JobWriter, now: datetime) -> WriteSummary:
        job = visible(tx, call, job_id).job
        storage_id = results.storage_id
        path = ("results", "storageId")
        if call.caller.attempt is not None and storage_id != job.storage_id:
            problem = Problem(path, f"is not the storage of job {job.id}")
            raise Forbidden("a running job may write to its own storage alone", problems=[problem])
        first = tx.results.write(job, storage_id, results.results, now)
        if first is None:
            problem = Problem(path, f"the storage '{storage_id}' is not open")
            raise StorageNotOpen(problem.detail, problems=[problem])
        return summary(first, len(results.results))

    return await commit_reply(house, call, WriteSummary, work)


def summary(first: int, count: int) -> WriteSummary:
    """What was stored under ids that follow each other."""
    return WriteSummary(written=count, first_id=str(first), last_id=str(first + count - 1))


async def delete_job_results(house: House, call: Call, *, job_id: str, query: StorageQuery) -> None:
    """Delete what a job wrote to one storage, or to all. The results are gone at the reply; an entry in the
    audit table remains. Works in every status of the job, which may write again.
    """

    def work(tx: JobWriter) -> None:
        job = visible(tx, call, job_id).job
        count = tx.results.remove(job.organization_id, job.id, query.storage_id)
        if count:
            where = "all storages" if query.storage_id is None else f"storage '{query.storage_id}'"
            tx.audit(
                AuditEntry(
                    at=house.clock.now(),
                    actor=call.caller.name,
                    action="results.deleted",
                    subject=job.id,
                    organization_id=job.organization_id,
                    detail=f"{count} results in {where}",
                )
            )

    await house.store.write(work)
