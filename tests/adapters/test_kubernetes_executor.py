"""The executor that runs jobs in Kubernetes, over HTTP against a stand-in for the API server."""

import uuid

import pytest

from gateway.domain.executor import (
    AttemptKey,
    Exited,
    Pending,
    Refused,
    TimedOut,
    Vanished,
)
from tests.adapters.kubernetes_gateway import KILLED, SUCCEEDED, TERMINATED, a_gateway
from tests.kubernetes_stand import NAMESPACE

# One attempt from start to end


async def test_an_attempt_is_pending_then_runs_and_its_exit_code_is_known(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await gateway.start()
        assert handle == f"{NAMESPACE}/job-{key.job_id}-1"
        assert isinstance(await gateway.observe(key, handle), Pending)
        stand.kubelet.unschedulable(stand.pod(key))
        await gateway.pending(key, "Unschedulable: 0/3 nodes are available: 3 Insufficient memory.")
        stand.kubelet.waiting(stand.pod(key))
        await gateway.pending(key, "ContainerCreating")
        stand.kubelet.run(stand.pod(key))
        await gateway.running(key)
        stand.kubelet.end(stand.pod(key), 3)
        assert await gateway.end_of(key) == Exited(exit_code=3, out_of_memory=False)
        assert key in gateway.calls


async def test_nothing_is_told_of_attempts_that_nobody_looked_at(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        other, _ = await gateway.start()
        stand.kubelet.run(stand.pod(other))
        stand.kubelet.end(stand.pod(other), 0)
        key, _ = await gateway.start()
        await gateway.observe(key)
        stand.kubelet.run(stand.pod(key))
        await gateway.running(key)
        assert set(gateway.calls) == {key}


@pytest.mark.parametrize(
    ("code", "more", "end"),
    [
        (0, {}, SUCCEEDED),
        (1, {}, Exited(exit_code=1, out_of_memory=False)),
        (139, {}, Exited(exit_code=139, out_of_memory=False)),
        (137, {}, KILLED),
        (143, {}, TERMINATED),
        (137, {"reason": "OOMKilled"}, Exited(exit_code=137, signal=9, out_of_memory=True)),
        (1, {"reason": "OOMKilled"}, Exited(exit_code=137, signal=9, out_of_memory=True)),
        (
            128,
            {"reason": "StartError", "told": 'exec: "run": executable file not found in $PATH'},
            Refused(reason='StartError: exec: "run": executable file not found in $PATH', passing=False),
        ),
    ],
)
async def test_every_way_for_a_container_to_end_is_told(stand, tmp_path, code, more, end):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        await gateway.observe(key)
        stand.kubelet.run(stand.pod(key))
        stand.kubelet.end(stand.pod(key), code, **more)
        assert await gateway.end_of(key) == end


async def test_an_evicted_pod_has_vanished_with_the_reason(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        stand.kubelet.run(stand.pod(key))
        await gateway.running(key)
        stand.kubelet.lose(stand.pod(key), "Evicted", "The node was low on resource: memory.")
        assert await gateway.end_of(key) == Vanished("Evicted: The node was low on resource: memory.")


async def test_a_preempted_pod_has_vanished_whatever_its_exit_code(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        stand.kubelet.run(stand.pod(key))
        await gateway.running(key)
        disruption = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": "preempted by a more important pod",
        }
        stand.kubelet.end(stand.pod(key), 143, status={"conditions": [disruption]})
        end = await gateway.end_of(key)
        assert end == Vanished("PreemptionByScheduler: preempted by a more important pod")


async def test_a_pod_that_passed_the_second_guard_has_timed_out_with_the_reason(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start(timeout_seconds=10)
        stand.kubelet.run(stand.pod(key))
        told = {"reason": "DeadlineExceeded", "message": "Pod was active on the node longer than specified"}
        stand.kubelet.end(stand.pod(key), 137, status=told)
        timed_out = TimedOut(
            "Kubernetes stopped it at its time limit: DeadlineExceeded: "
            "Pod was active on the node longer than specified"
        )
        assert await gateway.end_of(key) == timed_out
    async with a_gateway(stand, tmp_path) as again:
        assert await again.observe(key) == timed_out


async def test_a_job_that_was_deleted_by_somebody_has_vanished(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        await gateway.observe(key)
        stand.cluster.delete_job(stand.job(key)["metadata"]["name"])
        assert await gateway.end_of(key) == Vanished("its pod was deleted before it began to run")


async def test_an_attempt_that_the_cluster_does_not_know_has_vanished(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key = AttemptKey(str(uuid.uuid4()), 1)
        assert await gateway.observe(key) == Vanished("the cluster does not know its Job")
