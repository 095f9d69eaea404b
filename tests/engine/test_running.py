"""From startJob to the end of the last attempt, tick by tick."""

from pathlib import Path

import pytest

from gateway.domain.attempts import launch_of
from gateway.domain.errors import Unauthorized
from gateway.domain.executor import Exited, Running, StartRefused, Unreachable, Vanished
from gateway.domain.record import StopReason
from gateway.domain.words import JobStatus
from tests.house import TestHouse, a_house

S = JobStatus


async def test_a_job_runs_and_finishes(house: TestHouse) -> None:
    job = await house.start()
    assert (job.job_status, job.last_job_status, job.attempt, job.version) == (S.SCHEDULED, S.PERSISTED, 0, 1)
    await house.tick()
    running = await house.job(job.id)
    assert (running.job_status, running.attempt, running.started_at) == (S.RUNNING, 1, house.clock.now())
    house.clock.advance(5)
    ended = await house.end(job.id, Exited(exit_code=0))
    assert (ended.job_status, ended.exit_code, ended.finished_at) == (S.FINISHED, 0, house.clock.now())
    assert await house.statuses(job.id) == ["PERSISTED", "SCHEDULED", "RUNNING", "FINISHED"]
    assert [event.from_status for event in await house.history(job.id)] == [
        None,
        S.PERSISTED,
        S.SCHEDULED,
        S.RUNNING,
    ]
    assert (await house.record(job.id)).claimed is False


async def test_the_history_tells_who_did_what(house: TestHouse) -> None:
    job = await house.start()
    await house.tick()
    first, *others = await house.history(job.id)
    assert (first.actor, first.protocol, first.request_id) == ("anonymous", "REST", "request-1")
    assert (others[-1].actor, others[-1].protocol, others[-1].request_id) == ("gateway", "ENGINE", None)
    assert [event.id for event in await house.history(job.id)] == ["1", "2", "3"]


async def test_the_larger_priority_starts_first_then_the_older_job(tmp_path: Path) -> None:
    async with a_house(tmp_path, max_running_jobs=1) as house:
        low = await house.start(priority=1)
        old = await house.start(priority=5)
        new = await house.start(priority=5)
        high = await house.start(priority=9)
        order = []
        for _ in range(4):
            await house.engine.dispatcher.tick()
            order.append(house.executor.started[-1].key.job_id)
            await house.end(order[-1], Exited(exit_code=0))
        assert order == [high.id, old.id, new.id, low.id]
        assert len(house.executor.started) == 4


async def test_an_organization_starts_no_more_jobs_than_its_share(tmp_path: Path) -> None:
    async with a_house(tmp_path, max_running=1, max_running_jobs=3) as house:
        first = await house.start(organizationId="one")
        second = await house.start(organizationId="one")
        other = await house.start(organizationId="two")
        await house.tick()
        assert {launch.key.job_id for launch in house.executor.started} == {first.id, other.id}
        await house.end(first.id, Exited(exit_code=0))
        assert (await house.job(second.id)).job_status is S.RUNNING


async def test_a_failed_attempt_is_followed_by_another_after_the_backoff(house: TestHouse) -> None:
    job = await house.start(retryPolicy={"maxAttempts": 2, "backoffSeconds": 30})
    await house.tick()
    await house.call("reportJobProgress", jobId=job.id, progress={"progress": 40, "totalItems": 9})
    waiting = await house.end(job.id, Exited(exit_code=7))
    assert (waiting.job_status, waiting.exit_code, waiting.finished_at) == (S.WAITING, 7, None)
    assert "attempt 1 of 2 ended FAILED: ended with exit code 7" in str(waiting.message)
    assert (await house.history(job.id))[-1].exit_code == 7
    house.clock.advance(29.9)
    await house.tick()
    assert (await house.job(job.id)).job_status is S.WAITING
    house.clock.advance(0.1)
    await house.tick()
    again = await house.job(job.id)
    assert (again.job_status, again.attempt) == (S.RUNNING, 2)
    assert (again.exit_code, again.progress, again.total_items) == (None, None, None)
    ended = await house.end(job.id, Exited(exit_code=7))
    assert (ended.job_status, ended.exit_code) == (S.FAILED, 7)
    assert await house.statuses(job.id) == (
        ["PERSISTED", "SCHEDULED", "RUNNING", "WAITING", "SCHEDULED", "RUNNING", "FAILED"]
    )


async def test_without_a_backoff_the_next_attempt_follows_in_the_same_commit(house: TestHouse) -> None:
    job = await house.start(retryPolicy={"maxAttempts": 2, "backoffSeconds": 0})
    await house.tick()
    house.executor.end(await house.key(job.id), Exited(exit_code=1))
    await house.engine.monitor.tick()
    assert (await house.job(job.id)).job_status is S.SCHEDULED
    assert (await house.statuses(job.id))[-2:] == ["WAITING", "SCHEDULED"]


async def test_a_command_that_does_not_exist_is_failed_with_the_reason(house: TestHouse) -> None:
    house.executor.plan(StartRefused("no such command: 'x'", passing=False))
    job = await house.start(retryPolicy={"maxAttempts": 5})
    await house.tick()
    ended = await house.job(job.id)
    assert (ended.job_status, ended.message) == (S.FAILED, "no such command: 'x'")
    assert (ended.exit_code, ended.started_at) == (None, None)
    assert await house.statuses(job.id) == ["PERSISTED", "SCHEDULED", "FAILED"]


async def test_a_passing_refusal_is_tried_again(house: TestHouse) -> None:
    house.executor.plan(StartRefused("the disk is full", passing=True))
    job = await house.start(retryPolicy={"maxAttempts": 2, "backoffSeconds": 1})
    await house.tick()
    assert await house.statuses(job.id) == ["PERSISTED", "SCHEDULED", "WAITING"]
    house.clock.advance(1)
    await house.tick()
    assert (await house.job(job.id)).job_status is S.RUNNING


async def test_a_timeout_counts_from_running_and_stops_the_attempt(house: TestHouse) -> None:
    house.executor.after_stop = None
    job = await house.start(timeoutSeconds=60, cancelGraceSeconds=3)
    house.clock.advance(100)
    await house.tick()
    house.clock.advance(59.9)
    await house.tick()
    assert house.executor.stopped == []
    house.clock.advance(0.1)
    await house.tick()
    assert house.executor.stopped == [(await house.key(job.id), 3)]
    assert (await house.record(job.id)).stop is StopReason.TIMEOUT
    ended = await house.end(job.id, Exited(exit_code=143, signal=15))
    assert (ended.job_status, ended.message) == (S.FAILED, "stopped after running longer than 60 seconds")


async def test_a_missed_heartbeat_is_died_and_each_call_with_the_token_is_one(house: TestHouse) -> None:
    job = await house.start(heartbeatTimeoutSeconds=10)
    await house.tick()
    token = house.executor.started[0].environment["JOB_TOKEN"]
    for _ in range(3):
        house.clock.advance(9)
        await house.call("getJob", secret=token, jobId=job.id)
        await house.tick()
    assert (await house.job(job.id)).job_status is S.RUNNING
    house.clock.advance(10)
    await house.tick()
    ended = await house.job(job.id)
    assert (ended.job_status, ended.message) == (S.DIED, "stopped after 10 seconds without a heartbeat")


async def test_an_engine_out_of_sight_makes_the_job_unknown_until_it_is_seen_again(house: TestHouse) -> None:
    job = await house.start()
    await house.tick()
    key = await house.key(job.id)
    house.executor.end(key, Unreachable("no answer"))
    await house.engine.monitor.tick()
    lost = await house.job(job.id)
    assert (lost.job_status, lost.message) == (S.UNKNOWN, "no answer")
    house.executor.end(key, Running())
    await house.engine.monitor.tick()
    seen = await house.job(job.id)
    assert (seen.job_status, seen.started_at) == (S.RUNNING, job.created_at)
    house.executor.end(key, Unreachable("no answer"))
    await house.engine.monitor.tick()
    assert (await house.end(job.id, Exited(exit_code=0))).job_status is S.FINISHED
    assert await house.statuses(job.id) == (
        ["PERSISTED", "SCHEDULED", "RUNNING", "UNKNOWN", "RUNNING", "UNKNOWN", "FINISHED"]
    )


async def test_what_vanished_is_died(house: TestHouse) -> None:
    job = await house.start()
    await house.tick()
    ended = await house.end(job.id, Vanished("the process is gone and left no exit status"))
    assert (ended.job_status, ended.exit_code) == (S.DIED, None)
    assert ended.message == "the process is gone and left no exit status"


async def test_the_environment_holds_what_a_job_needs(house: TestHouse) -> None:
    job = await house.start(
        type="GENERIC_JOB",
        inputUri="s3://in",
        resultStorageId="store",
        resourceRequest={"memoryLimit": 1024},
        environmentVariables=[
            {"name": "PLAIN", "value": "a b"},
            {"name": "EMPTY"},
            {"name": "PASSWORD", "value": "hush", "secret": True},
            {"name": "JAVA_TOOL_OPTIONS", "value": "-Dx=1"},
        ],
    )
    await house.tick()
    (launch,) = house.executor.started
    token = launch.environment["JOB_TOKEN"]
    assert dict(launch.environment) == {
        "PLAIN": "a b",
        "EMPTY": "",
        "PASSWORD": "hush",
        "JAVA_TOOL_OPTIONS": "-Xmx824m -Dx=1",
        "JOB_ID": job.id,
        "JOB_ATTEMPT": "1",
        "JOB_TYPE": "GENERIC_JOB",
        "JOB_STORAGE_ID": "store",
        "JOB_INPUT_URI": "s3://in",
        "JOBS_API_URL": "http://127.0.0.1:8080",
        "JOBS_SOAP_URL": "http://127.0.0.1:8080/soap/v2/",
        "JOB_TOKEN": token,
    }
    assert (launch.commands, launch.image, launch.resources.memory_limit_mb) == (("run",), "image", 1024)
    shown = await house.job(job.id)
    assert [v.value for v in shown.environment_variables] == ["a b", None, "***", "-Dx=1"]


async def test_a_token_is_good_for_its_attempt_only(house: TestHouse) -> None:
    job = await house.start(retryPolicy={"maxAttempts": 2, "backoffSeconds": 0})
    await house.tick()
    first = house.executor.started[0].environment["JOB_TOKEN"]
    await house.call("reportJobProgress", secret=first, jobId=job.id, progress={"progress": 1})
    await house.end(job.id, Exited(exit_code=1))
    second = house.executor.started[1].environment["JOB_TOKEN"]
    assert first != second
    with pytest.raises(Unauthorized):
        await house.call("getJob", secret=first, jobId=job.id)
    await house.call("getJob", secret=second, jobId=job.id)
    await house.end(job.id, Exited(exit_code=0))
    with pytest.raises(Unauthorized):
        await house.call("getJob", secret=second, jobId=job.id)


async def test_a_restart_finds_running_jobs_and_starts_none_twice(house: TestHouse) -> None:
    running = await house.start()
    await house.tick()
    claimed = await house.start()
    # The gateway stops after the claim, and before the executor was asked.
    await house.engine.dispatcher._claim()
    assert (await house.record(claimed.id)).claimed
    again = house.restarted()
    await again.engine.take_over()
    await again.tick()
    assert [launch.key.job_id for launch in house.executor.started] == [running.id, claimed.id]
    assert (await again.job(claimed.id)).job_status is S.RUNNING
    for job in (running, claimed):
        assert (await again.end(job.id, Exited(exit_code=0))).job_status is S.FINISHED


async def test_a_restart_between_start_and_handle_finds_the_started_attempt(house: TestHouse) -> None:
    job = await house.start()
    (record,) = await house.engine.dispatcher._claim()
    launch = await launch_of(house.house, record)
    await house.executor.start(launch)
    again = house.restarted()
    await again.engine.take_over()
    assert len(house.executor.started) == 1
    assert (await again.job(job.id)).job_status is S.RUNNING


async def test_a_restart_goes_on_with_a_stop(house: TestHouse) -> None:
    house.executor.after_stop = None
    job = await house.start(timeoutSeconds=10)
    await house.tick()
    house.clock.advance(10)
    await house.tick()
    again = house.restarted()
    await again.engine.take_over()
    await again.tick()
    assert len(house.executor.stopped) == 2
    ended = await again.end(job.id, Exited(exit_code=0))
    assert (ended.job_status, ended.message) == (S.FAILED, "stopped after running longer than 10 seconds")


async def test_a_restart_counts_the_timeout_from_the_first_start(house: TestHouse) -> None:
    job = await house.start(timeoutSeconds=60)
    await house.tick()
    house.clock.advance(50)
    again = house.restarted()
    await again.engine.take_over()
    house.clock.advance(10)
    await again.tick()
    assert (await again.job(job.id)).job_status is S.FAILED


async def test_what_the_executor_keeps_of_deleted_jobs_goes_at_the_start(house: TestHouse) -> None:
    job = await house.start()
    await house.tick()
    house.executor.outputs[(await house.key(job.id)), "STDOUT"] = b"kept"
    house.executor.outputs[((await house.key(job.id))._replace(job_id="gone")), "STDOUT"] = b"left"
    again = house.restarted()
    await again.engine.take_over()
    assert house.executor.removed == ["gone"]
