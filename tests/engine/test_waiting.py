"""What jobs wait for: other jobs, points in time, locks."""

from typing import Any

import pytest

from gateway.domain.errors import InvalidDependency, LockHeld
from gateway.domain.executor import Exited
from gateway.domain.words import JobStatus
from tests.house import TestHouse

S = JobStatus


def on(*jobs: Any, condition: str | None = None) -> list[dict[str, str]]:
    return [{"jobId": job.id} | ({"condition": condition} if condition else {}) for job in jobs]


async def test_a_job_waits_until_the_job_it_depends_on_has_finished(house: TestHouse) -> None:
    first = await house.start()
    second = await house.start(jobDependencies=on(first))
    assert (second.job_status, second.message) == (S.WAITING, f"waits for job {first.id} to end")
    await house.tick()
    assert (await house.job(second.id)).job_status is S.WAITING
    await house.end(first.id, Exited(exit_code=0))
    assert (await house.job(second.id)).job_status is S.RUNNING


async def test_the_message_counts_the_jobs_that_are_waited_for(house: TestHouse) -> None:
    jobs = [await house.start() for _ in range(3)]
    last = await house.start(jobDependencies=on(*jobs))
    assert last.message == f"waits for job {jobs[0].id} and 2 more to end"
    await house.tick()
    await house.end(jobs[0].id, Exited(exit_code=0))
    assert (await house.job(last.id)).message == f"waits for job {jobs[1].id} and 1 more to end"


@pytest.mark.parametrize(
    ("condition", "code", "expected"),
    [("FINISHED", 1, S.CANCELED), ("ENDED", 1, S.RUNNING), ("ENDED", 0, S.RUNNING), (None, 0, S.RUNNING)],
)
async def test_the_condition_says_what_must_become_of_the_other(
    house: TestHouse, condition: str | None, code: int, expected: JobStatus
) -> None:
    first = await house.start()
    second = await house.start(jobDependencies=on(first, condition=condition))
    await house.tick()
    await house.end(first.id, Exited(exit_code=code))
    assert (await house.job(second.id)).job_status is expected


async def test_a_failure_cancels_a_whole_chain_in_one_commit(house: TestHouse) -> None:
    jobs = [await house.start()]
    for _ in range(40):
        jobs.append(await house.start(jobDependencies=on(jobs[-1])))
    await house.tick()
    house.executor.end(await house.key(jobs[0].id), Exited(exit_code=1))
    await house.engine.monitor.tick()
    ends = [await house.job(job.id) for job in jobs]
    assert [job.job_status for job in ends] == [S.FAILED] + [S.CANCELED] * 40
    assert ends[1].message == f"depends on job {jobs[0].id}, which ended FAILED"
    assert ends[2].message == f"depends on job {jobs[1].id}, which ended CANCELED"


async def test_a_retry_decides_nothing(house: TestHouse) -> None:
    first = await house.start(retryPolicy={"maxAttempts": 2, "backoffSeconds": 5})
    second = await house.start(jobDependencies=on(first))
    await house.tick()
    await house.end(first.id, Exited(exit_code=1))
    assert (await house.job(second.id)).job_status is S.WAITING
    house.clock.advance(5)
    await house.tick()
    await house.end(first.id, Exited(exit_code=0))
    assert (await house.job(second.id)).job_status is S.RUNNING


async def test_a_dependency_that_can_no_longer_hold_cancels_the_job_at_its_start(house: TestHouse) -> None:
    first = await house.start()
    await house.call("cancelJob", jobId=first.id)
    second = await house.start(jobDependencies=on(first), locks=[{"name": "x"}])
    assert (second.job_status, second.last_job_status) == (S.CANCELED, S.PERSISTED)
    assert second.message == f"depends on job {first.id}, which ended CANCELED"
    assert await house.statuses(second.id) == ["PERSISTED", "CANCELED"]
    await house.start(locks=[{"name": "x"}])


async def test_a_dependency_that_holds_already_holds_nothing_up(house: TestHouse) -> None:
    first = await house.start()
    await house.call("cancelJob", jobId=first.id)
    second = await house.start(jobDependencies=on(first, condition="ENDED"))
    assert second.job_status is S.SCHEDULED
    await house.call("deleteJob", jobId=first.id)
    assert (await house.job(second.id)).job_dependencies[0].job_id == first.id


async def test_an_unknown_a_foreign_and_a_double_dependency_are_refused_and_named(house: TestHouse) -> None:
    mine, foreign = await house.start(), await house.start(organizationId="other")
    wanted = [*on(mine, foreign, mine), {"jobId": "no-uuid"}, {"jobId": "0" * 8 + mine.id[8:]}]
    with pytest.raises(InvalidDependency) as refused:
        await house.start(jobDependencies=wanted, tags=["refused"])
    assert [problem.path for problem in refused.value.problems] == [
        ("job", "jobDependencies", index, "jobId") for index in (1, 2, 3, 4)
    ]
    assert (await house.call("listJobs", query={"tag": ["refused"]})).jobs == ()


async def test_not_before_holds_a_job_until_its_time(house: TestHouse) -> None:
    job = await house.start(notBefore="2026-11-23T12:00:10Z")
    assert (job.job_status, job.message) == (S.WAITING, "waits until 2026-11-23T12:00:10.000Z (notBefore)")
    assert await house.engine.promoter.tick() == 10
    house.clock.advance(9.999)
    await house.tick()
    assert (await house.job(job.id)).job_status is S.WAITING
    house.clock.advance(0.001)
    await house.tick()
    assert (await house.job(job.id)).job_status is S.RUNNING
    assert await house.engine.promoter.tick() is None


async def test_a_time_that_has_passed_holds_nothing_up(house: TestHouse) -> None:
    assert (await house.start(notBefore="2020-01-01T00:00:00Z")).job_status is S.SCHEDULED


async def test_a_lock_is_held_from_the_start_to_the_end_and_refuses_the_next(house: TestHouse) -> None:
    holder = await house.start(locks=[{"name": "x"}], retryPolicy={"maxAttempts": 2, "backoffSeconds": 9})
    with pytest.raises(LockHeld, match=holder.id):
        await house.start(locks=[{"name": "y"}, {"name": "x"}])
    await house.tick()
    await house.end(holder.id, Exited(exit_code=1))
    with pytest.raises(LockHeld, match=holder.id) as refused:
        await house.start(locks=[{"name": "y"}, {"name": "x"}])
    assert refused.value.problems[0].path == ("job", "locks", 1, "name")
    house.clock.advance(9)
    await house.tick()
    await house.end(holder.id, Exited(exit_code=0))
    assert (await house.start(locks=[{"name": "y"}, {"name": "x"}])).job_status is S.SCHEDULED


async def test_the_same_lock_of_another_organization_is_another_lock(house: TestHouse) -> None:
    await house.start(locks=[{"name": "x"}])
    assert (await house.start(locks=[{"name": "x"}], organizationId="other")).job_status is S.SCHEDULED


async def test_waiting_jobs_get_a_lock_in_the_order_of_their_start(house: TestHouse) -> None:
    wait = [{"name": "x", "onConflict": "WAIT"}]
    jobs = [await house.start(locks=wait, priority=priority) for priority in (1, 1, 9)]
    assert jobs[1].message == "waits for the lock 'x'"
    await house.tick()
    for index, job in enumerate(jobs):
        running = [other.id for other in jobs if (await house.job(other.id)).job_status is S.RUNNING]
        assert running == [job.id], index
        await house.end(job.id, Exited(exit_code=0))


async def test_a_job_starts_when_it_is_first_in_all_its_queues(house: TestHouse) -> None:
    def wait(*names: str) -> list[dict[str, str]]:
        return [{"name": name, "onConflict": "WAIT"} for name in names]

    x, y = await house.start(locks=wait("x")), await house.start(locks=wait("y"))
    both = await house.start(locks=wait("y", "x"))
    late = await house.start(locks=wait("y"))
    assert both.message in ("waits for the lock 'x', 'y'", "waits for the lock 'y', 'x'")
    await house.tick()
    await house.end(y.id, Exited(exit_code=0))
    assert (await house.job(both.id)).message == "waits for the lock 'x'"
    assert (await house.job(late.id)).job_status is S.WAITING
    await house.end(x.id, Exited(exit_code=0))
    assert (await house.job(both.id)).job_status is S.RUNNING
    await house.end(both.id, Exited(exit_code=0))
    assert (await house.job(late.id)).job_status is S.RUNNING


async def test_a_job_keeps_its_place_while_it_waits_for_something_else(house: TestHouse) -> None:
    early = await house.start(locks=[{"name": "x"}], notBefore="2026-11-23T13:00:00Z")
    with pytest.raises(LockHeld, match=early.id):
        await house.start(locks=[{"name": "x"}])
    queued = await house.start(locks=[{"name": "x", "onConflict": "WAIT"}])
    await house.call("cancelJob", jobId=early.id)
    await house.tick()
    assert (await house.job(queued.id)).job_status is S.RUNNING


async def test_a_job_tells_what_holds_it_up_next(house: TestHouse) -> None:
    first = await house.start(locks=[{"name": "x"}])
    job = await house.start(
        jobDependencies=on(await house.start(priority=9)),
        notBefore="2026-11-23T12:01:00Z",
        locks=[{"name": "x", "onConflict": "WAIT"}],
    )
    await house.tick()
    await house.end(job.job_dependencies[0].job_id, Exited(exit_code=0))
    assert "notBefore" in str((await house.job(job.id)).message)
    house.clock.advance(60)
    await house.tick()
    assert (await house.job(job.id)).message == "waits for the lock 'x'"
    await house.end(first.id, Exited(exit_code=0))
    assert (await house.job(job.id)).job_status is S.RUNNING
