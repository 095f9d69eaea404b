"""How the runs of a schedule meet each other, those that are started by hand too."""

import pytest

from gateway.domain.errors import (
    Conflict,
    JobNotCancellable,
    LockHeld,
)
from gateway.domain.executor import Exited
from gateway.domain.scalars import instant_text
from gateway.domain.words import JobStatus
from tests.house import TestHouse
from tests.scheduling import JOB, a_schedule, finish, now, pass_time, restart_after, runs_of

S = JobStatus


async def test_skip_leaves_a_run_out_and_says_so(house: TestHouse) -> None:
    schedule = await a_schedule(house)
    await pass_time(house, 60)
    (first,) = await runs_of(house, schedule)
    await pass_time(house, 60)
    assert len(await runs_of(house, schedule)) == 1
    after = await now(house, schedule)
    assert after.last_error == f"CONFLICT: the run {first.id} has not ended (overlapPolicy SKIP)"
    assert (after.last_job_id, after.version) == (first.id, 3)
    await finish(house, first)
    await pass_time(house, 60)
    assert len(await runs_of(house, schedule)) == 2
    assert (await now(house, schedule)).last_error is None


async def test_allow_starts_runs_beside_each_other(house: TestHouse) -> None:
    schedule = await a_schedule(house, overlapPolicy="ALLOW")
    for _ in range(3):
        await pass_time(house, 60)
    assert [run.job_status for run in await runs_of(house, schedule)] == [S.SCHEDULED] * 3


async def test_queue_one_lets_one_run_wait_and_leaves_more_out(house: TestHouse) -> None:
    schedule = await a_schedule(house, overlapPolicy="QUEUE_ONE")
    await pass_time(house, 60)
    (first,) = await runs_of(house, schedule)
    await house.tick()
    await pass_time(house, 60)
    _, second = await runs_of(house, schedule)
    assert (second.job_status, second.message) == (S.WAITING, f"waits for job {first.id} to end")
    assert second.job_dependencies == ()
    assert (await now(house, schedule)).last_error is None
    await pass_time(house, 60)
    assert len(await runs_of(house, schedule)) == 2
    after = await now(house, schedule)
    assert after.last_error == f"CONFLICT: the run {second.id} waits already (overlapPolicy QUEUE_ONE)"
    await house.end(first.id, Exited(exit_code=7))
    assert (await house.job(second.id)).job_status is S.RUNNING
    await pass_time(house, 60)
    third = (await runs_of(house, schedule))[2]
    assert third.message == f"waits for job {second.id} to end"


async def test_cancel_previous_waits_until_the_old_run_is_final(house: TestHouse) -> None:
    schedule = await a_schedule(house, overlapPolicy="CANCEL_PREVIOUS")
    await pass_time(house, 60)
    (first,) = await runs_of(house, schedule)
    await house.tick()
    await pass_time(house, 60)
    old, new = await runs_of(house, schedule)
    assert (old.job_status, old.cancel_requested_by) == (S.RUNNING, f"schedule:{schedule.id}")
    assert old.cancel_reason == "the next run of the schedule has come"
    assert (new.job_status, new.message) == (S.WAITING, f"waits for job {first.id} to end")
    await pass_time(house, 60)
    _, second, third = await runs_of(house, schedule)
    assert (second.id, second.job_status) == (new.id, S.CANCELED)
    assert (third.job_status, third.message) == (S.WAITING, f"waits for job {first.id} to end")
    await house.end(first.id, Exited(exit_code=143, signal=15))
    statuses = [run.job_status for run in await runs_of(house, schedule)]
    assert statuses == [S.CANCELED, S.CANCELED, S.RUNNING]


async def test_cancel_previous_ends_a_run_that_has_not_started_at_once(house: TestHouse) -> None:
    schedule = await a_schedule(house, overlapPolicy="CANCEL_PREVIOUS")
    await pass_time(house, 60)
    await pass_time(house, 60)
    old, new = await runs_of(house, schedule)
    assert (old.job_status, new.job_status) == (S.CANCELED, S.SCHEDULED)
    assert await house.statuses(new.id) == ["PERSISTED", "WAITING", "SCHEDULED"]
    assert (await now(house, schedule)).last_job_id == new.id


async def test_a_run_that_cannot_be_canceled_stands_in_the_way(house: TestHouse) -> None:
    schedule = await a_schedule(house, {"type": "STUBBORN_JOB"}, overlapPolicy="CANCEL_PREVIOUS")
    await pass_time(house, 60)
    await house.tick()
    await pass_time(house, 60)
    (first,) = await runs_of(house, schedule)
    assert first.cancel_requested_at is None
    after = await now(house, schedule)
    assert str(after.last_error).startswith(f"JOB_NOT_CANCELLABLE: job {first.id}")
    with pytest.raises(JobNotCancellable):
        await house.call("runScheduledJob", scheduledJobId=schedule.id)


@pytest.mark.parametrize("policy", ["QUEUE_ONE", "CANCEL_PREVIOUS"])
async def test_a_run_that_waits_for_another_also_waits_for_its_lock(house: TestHouse, policy: str) -> None:
    schedule = await a_schedule(house, {"locks": [{"name": "x"}]}, overlapPolicy=policy)
    await pass_time(house, 60)
    await house.tick()
    await pass_time(house, 60)
    first, second = await runs_of(house, schedule)
    assert second.job_status is S.WAITING
    with pytest.raises(LockHeld, match=first.id):
        await house.start(locks=[{"name": "x"}])
    await house.end(first.id, Exited(exit_code=0))
    assert (await house.job(second.id)).job_status is S.RUNNING


async def test_a_run_that_cannot_start_is_left_out_and_told(house: TestHouse) -> None:
    holder = await house.start(locks=[{"name": "x"}])
    schedule = await a_schedule(house, {"locks": [{"name": "x"}]}, overlapPolicy="CANCEL_PREVIOUS")
    await pass_time(house, 60)
    assert await runs_of(house, schedule) == []
    after = await now(house, schedule)
    assert after.last_error == f"LOCK_HELD: the lock 'x' is held by job {holder.id}"
    assert instant_text(after.next_run_at or house.clock.now()) == "2026-11-23T12:02:00.000Z"
    assert (after.last_run_at, after.last_job_id) == (None, None)
    await house.call("cancelJob", jobId=holder.id)
    await pass_time(house, 60)
    assert len(await runs_of(house, schedule)) == 1
    assert (await now(house, schedule)).last_error is None


async def test_the_limit_of_jobs_holds_for_runs(house: TestHouse) -> None:
    object.__setattr__(house.house.policy, "max_not_final", 2)
    schedule = await a_schedule(house, overlapPolicy="ALLOW", misfirePolicy="RUN_ALL")
    await restart_after(house, 300)
    assert len(await runs_of(house, schedule)) == 2
    assert str((await now(house, schedule)).last_error).startswith("TOO_MANY_REQUESTS: ")


async def test_a_dependency_that_was_deleted_since_is_told(house: TestHouse) -> None:
    other = await house.start()
    schedule = await a_schedule(house, {"jobDependencies": [{"jobId": other.id}]})
    await house.call("cancelJob", jobId=other.id)
    await pass_time(house, 60)
    (run,) = await runs_of(house, schedule)
    assert (run.job_status, run.job_dependencies[0].job_id) == (S.CANCELED, other.id)
    await house.call("deleteJob", jobId=other.id)
    await pass_time(house, 60)
    assert len(await runs_of(house, schedule)) == 1
    assert str((await now(house, schedule)).last_error).startswith("INVALID_DEPENDENCY: ")


async def test_a_run_whose_job_names_the_run_before_depends_on_it_once(house: TestHouse) -> None:
    schedule = await a_schedule(house, overlapPolicy="QUEUE_ONE")
    await pass_time(house, 60)
    (first,) = await runs_of(house, schedule)
    await house.tick()
    fields = {"job": JOB | {"jobDependencies": [{"jobId": first.id}]}}
    await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields=fields)
    await pass_time(house, 60)
    _, second = await runs_of(house, schedule)
    assert second.message == f"waits for job {first.id} to end"
    await house.end(first.id, Exited(exit_code=1))
    assert (await house.job(second.id)).job_status is S.CANCELED


# Running now.


async def test_a_run_now_ignores_the_pause_and_leaves_the_next_due_time(house: TestHouse) -> None:
    schedule = await a_schedule(house, paused=True)
    run = await house.call("runScheduledJob", scheduledJobId=schedule.id)
    assert (run.scheduled_job_id, run.user, run.modified_by) == (schedule.id, "anonymous", "anonymous")
    assert {(e.actor, e.protocol, e.request_id) for e in await house.history(run.id)} == {
        ("anonymous", "REST", "request-1")
    }
    after = await now(house, schedule)
    assert (after.paused, after.next_run_at, after.last_job_id) == (True, None, run.id)
    assert (after.version, after.last_run_at) == (2, house.clock.now())


async def test_a_run_now_obeys_the_overlap_policy(house: TestHouse) -> None:
    schedule = await a_schedule(house)
    run = await house.call("runScheduledJob", scheduledJobId=schedule.id)
    with pytest.raises(Conflict, match=run.id) as refused:
        await house.call("runScheduledJob", scheduledJobId=schedule.id)
    assert refused.value.problems == ()
    after = await now(house, schedule)
    assert after.version == 2
    assert instant_text(after.next_run_at or house.clock.now()) == "2026-11-23T12:01:00.000Z"
    await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields={"overlapPolicy": "QUEUE_ONE"})
    queued = await house.call("runScheduledJob", scheduledJobId=schedule.id)
    assert queued.message == f"waits for job {run.id} to end"
    with pytest.raises(Conflict, match=queued.id):
        await house.call("runScheduledJob", scheduledJobId=schedule.id)
    await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields={"overlapPolicy": "ALLOW"})
    beside = await house.call("runScheduledJob", scheduledJobId=schedule.id)
    assert beside.job_status is S.SCHEDULED


async def test_a_run_now_that_cannot_start_names_no_place_in_the_request(house: TestHouse) -> None:
    holder = await house.start(locks=[{"name": "x"}])
    schedule = await a_schedule(house, {"locks": [{"name": "x"}]})
    with pytest.raises(LockHeld, match=holder.id) as refused:
        await house.call("runScheduledJob", scheduledJobId=schedule.id)
    assert refused.value.problems == ()


async def test_a_run_now_is_started_once_under_a_key(house: TestHouse) -> None:
    schedule = await a_schedule(house, overlapPolicy="ALLOW")
    call = {"scheduledJobId": schedule.id, "idempotency_key": "k"}
    first = await house.call("runScheduledJob", **call)
    await house.tick()
    again = await house.call("runScheduledJob", **call)
    assert (again.id, again.job_status) == (first.id, S.RUNNING)
    assert len(await runs_of(house, schedule)) == 1
