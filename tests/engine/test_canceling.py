"""cancelJob, deleteJob, rerunJob, and what expires."""

from pathlib import Path

import pytest

from gateway.domain.errors import (
    JobAlreadyFinal,
    JobNotCancellable,
    JobNotFinal,
    JobNotFound,
    PreconditionFailed,
    TooManyRequests,
)
from gateway.domain.executor import AttemptKey, Exited, StartRefused
from gateway.domain.words import JobStatus
from tests.house import TestHouse, a_house

S = JobStatus


async def test_a_job_that_no_engine_holds_is_canceled_in_the_call(house: TestHouse) -> None:
    waiting = await house.start(notBefore="2027-01-01T00:00:00Z")
    scheduled = await house.start()
    for job in (waiting, scheduled):
        ended = await house.call("cancelJob", jobId=job.id, cancellation={"reason": "not needed"})
        assert (ended.job_status, ended.message) == (S.CANCELED, "canceled by anonymous: not needed")
        assert (ended.cancel_requested_by, ended.cancel_reason) == ("anonymous", "not needed")
        assert ended.finished_at == house.clock.now()
    await house.tick()
    assert house.executor.started == []


async def test_a_job_in_its_backoff_is_canceled_in_the_call(house: TestHouse) -> None:
    job = await house.start(retryPolicy={"maxAttempts": 2})
    await house.tick()
    await house.end(job.id, Exited(exit_code=1))
    assert (await house.call("cancelJob", jobId=job.id)).job_status is S.CANCELED
    house.clock.advance(100)
    await house.tick()
    assert len(house.executor.started) == 1


@pytest.mark.parametrize("code", [0, 1, 143])
async def test_a_running_job_keeps_its_status_and_ends_canceled(house: TestHouse, code: int) -> None:
    house.executor.after_stop = None
    job = await house.start(retryPolicy={"maxAttempts": 9, "backoffSeconds": 0}, cancelGraceSeconds=12)
    await house.tick()
    asked = await house.call("cancelJob", jobId=job.id, cancellation={"reason": "enough"})
    assert (asked.job_status, asked.cancel_requested_at) == (S.RUNNING, house.clock.now())
    await house.tick()
    assert house.executor.stopped == [(await house.key(job.id), 12)]
    again = await house.call("cancelJob", jobId=job.id, cancellation={"reason": "other"})
    assert again == asked
    ended = await house.end(job.id, Exited(exit_code=code))
    assert (ended.job_status, ended.exit_code) == (S.CANCELED, code)
    assert ended.message == "canceled by anonymous: enough"
    assert (await house.call("cancelJob", jobId=job.id)) == ended
    kinds = [str(event.kind) for event in await house.history(job.id)]
    assert kinds == ["STATUS", "STATUS", "STATUS", "CANCEL_REQUESTED", "STATUS"]


async def test_the_grace_of_the_call_counts_before_that_of_the_job(house: TestHouse) -> None:
    job = await house.start(cancelGraceSeconds=12)
    await house.tick()
    await house.call("cancelJob", jobId=job.id, cancellation={"graceSeconds": 0})
    await house.tick()
    assert house.executor.stopped == [(house.executor.started[0].key, 0)]
    assert (await house.job(job.id)).job_status is S.CANCELED


async def test_a_cancel_between_claim_and_start_stops_what_is_started(house: TestHouse) -> None:
    job = await house.start()
    claimed = await house.engine.dispatcher._claim()
    asked = await house.call("cancelJob", jobId=job.id)
    assert asked.job_status is S.SCHEDULED
    await house.engine.dispatcher.start(claimed)
    await house.tick()
    assert (await house.job(job.id)).job_status is S.CANCELED


async def test_a_cancel_between_claim_and_a_refused_start_is_canceled(house: TestHouse) -> None:
    house.executor.plan(StartRefused("the disk is full", passing=True))
    job = await house.start(retryPolicy={"maxAttempts": 3})
    claimed = await house.engine.dispatcher._claim()
    await house.call("cancelJob", jobId=job.id)
    await house.engine.dispatcher.start(claimed)
    assert (await house.job(job.id)).job_status is S.CANCELED


async def test_a_cancel_overrides_a_timeout_that_is_under_way(house: TestHouse) -> None:
    house.executor.after_stop = None
    job = await house.start(timeoutSeconds=1, cancelGraceSeconds=30)
    await house.tick()
    house.clock.advance(1)
    await house.tick()
    await house.call("cancelJob", jobId=job.id, cancellation={"graceSeconds": 2})
    await house.tick()
    assert [grace for _, grace in house.executor.stopped] == [30, 2]
    assert (await house.end(job.id, Exited(exit_code=137, signal=9))).job_status is S.CANCELED


async def test_a_type_without_cancellable_can_be_canceled_until_it_runs(house: TestHouse) -> None:
    early = await house.start(type="STUBBORN_JOB")
    assert (await house.call("cancelJob", jobId=early.id)).job_status is S.CANCELED
    job = await house.start(type="STUBBORN_JOB")
    await house.tick()
    with pytest.raises(JobNotCancellable, match="STUBBORN_JOB"):
        await house.call("cancelJob", jobId=job.id)
    assert (await house.job(job.id)).cancel_requested_at is None


async def test_a_job_that_ended_otherwise_is_already_final(house: TestHouse) -> None:
    job = await house.start()
    await house.tick()
    await house.end(job.id, Exited(exit_code=0))
    with pytest.raises(JobAlreadyFinal, match="FINISHED already"):
        await house.call("cancelJob", jobId=job.id)
    with pytest.raises(JobAlreadyFinal, match="FINISHED already"):
        await house.call("reportJobProgress", jobId=job.id, progress={"progress": 1})


async def test_only_a_final_job_is_deleted_and_leaves_an_audit_entry_alone(house: TestHouse) -> None:
    job = await house.start(environmentVariables=[{"name": "S", "value": "v", "secret": True}])
    with pytest.raises(JobNotFinal):
        await house.call("deleteJob", jobId=job.id)
    await house.call("cancelJob", jobId=job.id)
    assert await house.call("deleteJob", jobId=job.id) is None
    for name in ("getJob", "deleteJob", "cancelJob", "listJobEvents", "readJobOutput", "rerunJob"):
        with pytest.raises(JobNotFound):
            await house.call(name, jobId=job.id)
    assert house.executor.removed == [job.id]
    assert await house.house.store.read(lambda tx: tx.secrets(job.id)) == {}


async def test_what_expires_goes_once_it_is_final(house: TestHouse) -> None:
    job = await house.start(expiresAt="2026-11-23T12:00:10Z")
    await house.tick()
    house.clock.advance(11)
    await house.engine.pruner.tick()
    assert (await house.job(job.id)).job_status is S.RUNNING
    await house.end(job.id, Exited(exit_code=0))
    await house.engine.pruner.tick()
    with pytest.raises(JobNotFound):
        await house.call("getJob", jobId=job.id)
    assert house.executor.removed == [job.id]


async def test_retention_sets_the_expiry_of_a_job_without_one(tmp_path: Path) -> None:
    async with a_house(tmp_path, retention_days=2) as house:
        job = await house.start()
        assert job.expires_at is None
        ended = await house.call("cancelJob", jobId=job.id)
        assert (ended.expires_at - ended.finished_at).days == 2
        house.clock.advance(2 * 86400)
        await house.engine.pruner.tick()
        with pytest.raises(JobNotFound):
            await house.call("getJob", jobId=job.id)


async def test_a_rerun_is_the_same_request_with_its_secrets_and_locks(house: TestHouse) -> None:
    other = await house.start()
    old = await house.start(
        name="old",
        tags=["a"],
        jobDependencies=[{"jobId": other.id, "condition": "ENDED"}],
        notBefore="2026-11-23T12:30:00Z",
        expiresAt="2026-11-24T12:00:00Z",
        locks=[{"name": "x"}],
        environmentVariables=[{"name": "S", "value": "hush", "secret": True}],
    )
    with pytest.raises(JobNotFinal):
        await house.call("rerunJob", jobId=old.id)
    await house.call("updateJobFields", jobId=old.id, fields={"name": "renamed"})
    await house.call("replaceJobTags", jobId=old.id, tags={"tags": ["b"]})
    await house.call("cancelJob", jobId=old.id)
    new = await house.call("rerunJob", jobId=old.id)
    assert (new.rerun_of, new.name, new.tags, new.job_status) == (old.id, "old", ("a",), S.SCHEDULED)
    assert (new.job_dependencies, new.not_before, new.expires_at) == ((), None, None)
    assert [lock.name for lock in new.locks] == ["x"]
    await house.tick()
    assert house.executor.started[-1].environment["S"] == "hush"
    await house.end(new.id, Exited(exit_code=0))
    third = await house.call("rerunJob", jobId=new.id)
    await house.tick()
    assert third.rerun_of == new.id
    assert house.executor.started[-1].environment["S"] == "hush"


async def test_a_changed_version_guards_every_change(house: TestHouse) -> None:
    job = await house.start()
    changed = await house.call("updateJobFields", jobId=job.id, fields={"name": "n"}, if_versions={1, 9})
    assert changed.version == 2
    with pytest.raises(PreconditionFailed, match="version 2"):
        await house.call("cancelJob", jobId=job.id, if_versions={1})
    with pytest.raises(PreconditionFailed):
        await house.call("deleteJob", jobId=job.id, if_versions={1})
    assert (await house.call("cancelJob", jobId=job.id, if_versions={2})).version == 3


async def test_a_change_of_nothing_raises_no_version(house: TestHouse) -> None:
    job = await house.start(name="n", tags=["a"])
    for name, part in (
        ("updateJobFields", {"fields": {"name": "n"}}),
        ("updateJobFields", {"fields": {}}),
        ("replaceJobTags", {"tags": {"tags": ["a"]}}),
        ("reportJobProgress", {"progress": {}}),
    ):
        assert (await house.call(name, jobId=job.id, **part)).version == 1, name
    assert len(await house.history(job.id)) == 2


async def test_an_organization_may_have_only_so_many_jobs_that_have_not_ended(tmp_path: Path) -> None:
    async with a_house(tmp_path, max_not_final=2) as house:
        first = await house.start()
        await house.start()
        with pytest.raises(TooManyRequests) as refused:
            await house.start()
        assert refused.value.retry_after_seconds
        await house.start(organizationId="other")
        await house.call("cancelJob", jobId=first.id)
        await house.start()


async def test_a_stop_that_the_executor_could_not_make_is_tried_again(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await house.start()
    await house.tick()
    stop, calls = house.executor.stop, []

    async def fail_once(key: AttemptKey, handle: str, *, grace_seconds: int) -> None:
        calls.append(key)
        if len(calls) == 1:
            raise OSError("no descriptor is left")
        await stop(key, handle, grace_seconds=grace_seconds)

    monkeypatch.setattr(house.executor, "stop", fail_once)
    await house.call("cancelJob", jobId=job.id)
    for _ in range(3):
        await house.tick()
    assert (await house.job(job.id)).job_status is JobStatus.CANCELED
    assert len(calls) == 2
