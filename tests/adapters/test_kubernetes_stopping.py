"""Ends of attempts that the Kubernetes executor brings about: stops, and pods that cannot begin."""

import pytest

from gateway.domain.executor import Exited, Pending, Refused, Running, Vanished
from gateway.executors import kubernetes_following
from tests.adapters.kubernetes_gateway import KILLED, SUCCEEDED, TERMINATED, a_gateway, until


async def a_running_one(stand, gateway, **members):
    """An attempt that is seen to run, and its handle."""
    key, handle = await gateway.start(**members)
    stand.kubelet.run(stand.pod(key))
    await gateway.running(key)
    return key, handle


def grace_of(stand, key):
    """The grace with which the attempt's pod is being deleted; None when it is not."""
    return stand.cluster.get("pods", stand.pod(key))["metadata"].get("deletionGracePeriodSeconds")


async def stopped(stand, gateway, key, handle, grace_seconds):
    """Stop an attempt and wait until its Job is sealed."""
    await gateway.executor.stop(key, handle, grace_seconds=grace_seconds)
    await until(lambda: stand.job(key)["spec"]["parallelism"] == 0)


@pytest.fixture(params=[False, True], ids=["now", "1.20"])
def any_stand(request, stand):
    """A cluster whose job controller is one of today, or of Kubernetes 1.20."""
    stand.cluster.legacy = request.param
    return stand


async def test_a_stop_gives_the_grace_and_the_exit_is_seen(any_stand, tmp_path):
    stand = any_stand
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await a_running_one(stand, gateway)
        pod = stand.pod(key)
        await stopped(stand, gateway, key, handle, 120)
        assert grace_of(stand, key) == 120
        assert await gateway.observe(key) == Running()
        stand.kubelet.end(pod, 143)
        assert await gateway.end_of(key) == TERMINATED
        assert stand.pods(key) == []
        assert len(stand.jobs(key)) == 1


async def test_a_second_stop_may_be_sooner_and_not_later(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await a_running_one(stand, gateway)
        await stopped(stand, gateway, key, handle, 60)
        await gateway.executor.stop(key, handle, grace_seconds=5)
        await until(lambda: grace_of(stand, key) == 5)
        await gateway.executor.stop(key, handle, grace_seconds=30)
        await gateway.executor.stop(key, handle, grace_seconds=0)
        await until(lambda: grace_of(stand, key) == 1)
        stand.kubelet.end(stand.pod(key), 137)
        assert await gateway.end_of(key) == KILLED


async def test_a_stopped_attempt_never_has_a_second_pod_that_runs(any_stand, tmp_path):
    stand = any_stand
    ran = set()
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await a_running_one(stand, gateway)
        pod = stand.pod(key)
        stand.cluster.kubelet = lambda pod: (
            ran.add(pod["metadata"]["name"]) if "nodeName" in pod["spec"] else None
        )
        await stopped(stand, gateway, key, handle, 60)
        stand.kubelet.end(pod, 0)
        assert await gateway.end_of(key) == SUCCEEDED
        await until(lambda: stand.pods(key) == [])
    assert ran == {pod}


async def test_a_pod_that_somebody_else_deletes_is_not_replaced(any_stand, tmp_path):
    stand = any_stand
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_running_one(stand, gateway)
        pod = stand.pod(key)
        stand.cluster.delete_pod(pod, 30)
        await until(lambda: stand.job(key)["spec"]["parallelism"] == 0)
        stand.kubelet.end(pod, 143)
        assert await gateway.end_of(key) == TERMINATED
        await until(lambda: stand.pods(key) == [])


async def test_a_stop_before_the_pod_has_a_node_ends_it_at_once(any_stand, tmp_path):
    stand = any_stand
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await gateway.start()
        stand.kubelet.unschedulable(stand.pod(key))
        await gateway.pending(key, "Unschedulable")
        await gateway.executor.stop(key, handle, grace_seconds=30)
        assert await gateway.end_of(key) == Vanished("its pod was deleted before it began to run")
        await until(lambda: stand.job(key)["spec"]["parallelism"] == 0)
        await until(lambda: stand.pods(key) == [])


async def test_a_stop_before_there_is_a_pod_ends_it_for_good(stand, tmp_path):
    stand.cluster.holds_pods = True
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await gateway.start()
        await gateway.observe(key)
        await gateway.executor.stop(key, handle, grace_seconds=30)
        assert await gateway.end_of(key) == Vanished("it was stopped before it began to run")
        stand.cluster.holds_pods = False
        stand.cluster.patch_job(stand.job(key)["metadata"]["name"], {})
        assert stand.pods(key) == []


async def test_a_pod_that_never_ran_and_was_on_a_node_has_vanished(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await gateway.start()
        stand.kubelet.waiting(stand.pod(key))
        await gateway.pending(key, "ContainerCreating")
        await stopped(stand, gateway, key, handle, 30)
        stand.kubelet.never_ran(stand.pod(key))
        assert isinstance(await gateway.end_of(key), Vanished)


async def test_a_stop_is_made_up_for_when_the_cluster_is_back(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await a_running_one(stand, gateway)
        stand.down()
        await gateway.executor.stop(key, handle, grace_seconds=7)
        assert grace_of(stand, key) is None
        stand.up()
        await until(lambda: grace_of(stand, key) == 7)


@pytest.mark.parametrize("fault", [{"code": 500, "is_done": True}, {"code": 0}, {"code": 429}, {"code": 403}])
@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
async def test_a_stop_whose_request_fails_is_done_all_the_same(stand, tmp_path, fault, method):
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await a_running_one(stand, gateway)
        stand.fail(method, "", headers={"Retry-After": "0"}, **fault)
        await stopped(stand, gateway, key, handle, 7)
        assert grace_of(stand, key) == 7
    assert not stand.api.faults


async def test_an_attempt_that_ended_while_no_gateway_ran_has_its_exit_code(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_running_one(stand, gateway)
    stand.kubelet.end(stand.pod(key), 7)
    async with a_gateway(stand, tmp_path) as gateway:
        assert await gateway.end_of(key) == Exited(exit_code=7, out_of_memory=False)


async def test_a_stop_goes_on_after_a_restart(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await a_running_one(stand, gateway)
        await stopped(stand, gateway, key, handle, 60)
    async with a_gateway(stand, tmp_path) as gateway:
        assert await gateway.observe(key) == Running()
        await gateway.executor.stop(key, handle, grace_seconds=60)
        stand.kubelet.end(stand.pod(key), 143)
        assert await gateway.end_of(key) == TERMINATED


async def test_a_stopped_attempt_that_went_while_no_gateway_ran_has_vanished(any_stand, tmp_path):
    stand = any_stand
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await a_running_one(stand, gateway)
        pod = stand.pod(key)
        await stopped(stand, gateway, key, handle, 60)
    stand.kubelet.end(pod, 143)
    async with a_gateway(stand, tmp_path) as gateway:
        assert isinstance(await gateway.end_of(key), Vanished)


async def test_an_end_that_was_seen_is_still_known_when_the_job_is_gone(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_running_one(stand, gateway)
        stand.kubelet.end(stand.pod(key), 7)
        await gateway.end_of(key)
    stand.cluster.delete_job(stand.job(key)["metadata"]["name"])
    async with a_gateway(stand, tmp_path) as gateway:
        assert await gateway.observe(key) == Exited(exit_code=7, out_of_memory=False)


async def test_a_pod_on_a_node_that_does_not_answer_is_given_up(stand, tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes_following, "LOST_SECONDS", 0.05)
    monkeypatch.setattr(kubernetes_following, "SILENT_SECONDS", 0.05)
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_running_one(stand, gateway)
        stand.cluster.delete_pod(stand.pod(key), 1)
        end = await gateway.end_of(key)
        assert end == Vanished("its pod was deleted, and its node does not tell of its end")


# Pods that cannot begin

PULL = 'failed to pull and unpack image "image:1": not found'


@pytest.mark.parametrize(
    ("reason", "message", "passing"),
    [
        ("ImagePullBackOff", f'Back-off pulling image "image:1": ErrImagePull: {PULL}', False),
        ("ErrImagePull", PULL, False),
        ("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout", True),
        ("ErrImagePull", "429 Too Many Requests - toomanyrequests", True),
        ("ErrImagePull", 'failed to pull image "timeout:503-unavailable": not found', False),
        ("CreateContainerError", "failed to generate spec", False),
    ],
)
async def test_a_pod_in_trouble_is_given_time_and_then_refused(stand, tmp_path, reason, message, passing):
    async with a_gateway(stand, tmp_path, patience_seconds=0.3) as gateway:
        key, _ = await gateway.start()
        stand.kubelet.waiting(stand.pod(key), reason, message)
        await gateway.pending(key, f"{reason}: {message}")
        await until(lambda: grace_of(stand, key) == 1)
        stand.kubelet.never_ran(stand.pod(key))
        assert await gateway.end_of(key) == Refused(reason=f"{reason}: {message}", passing=passing)
        assert stand.pods(key) == []


async def test_trouble_that_passes_in_time_does_no_harm(stand, tmp_path):
    async with a_gateway(stand, tmp_path, patience_seconds=3600) as gateway:
        key, _ = await gateway.start()
        stand.kubelet.waiting(stand.pod(key), "ErrImagePull", PULL)
        await gateway.pending(key, "ErrImagePull")
        stand.kubelet.run(stand.pod(key))
        await gateway.running(key)
        stand.kubelet.end(stand.pod(key), 0)
        assert await gateway.end_of(key) == SUCCEEDED


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("InvalidImageName", 'couldn\'t parse image name "IMAGE": invalid reference format'),
        ("ErrImageNeverPull", 'Container image "image:1" is not present with pull policy of Never'),
        ("CreateContainerConfigError", 'configmap "settings" not found'),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
    ],
)
async def test_a_pod_that_waits_in_vain_is_refused_at_once(stand, tmp_path, reason, message):
    async with a_gateway(stand, tmp_path, patience_seconds=3600) as gateway:
        key, _ = await gateway.start()
        await gateway.observe(key)
        stand.kubelet.waiting(stand.pod(key), reason, message)
        await until(lambda: grace_of(stand, key) == 1)
        stand.kubelet.never_ran(stand.pod(key))
        assert await gateway.end_of(key) == Refused(reason=f"{reason}: {message}", passing=False)


async def test_a_refusal_is_remembered_over_a_restart(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        await gateway.observe(key)
        stand.kubelet.waiting(stand.pod(key), "InvalidImageName", "no name")
        await until(lambda: stand.job(key)["spec"]["parallelism"] == 0)
    stand.kubelet.never_ran(stand.pod(key))
    async with a_gateway(stand, tmp_path) as gateway:
        assert await gateway.end_of(key) == Refused(reason="InvalidImageName: no name", passing=False)


async def test_a_secret_that_is_missing_for_long_is_a_refusal_that_passes(stand, tmp_path):
    async with a_gateway(stand, tmp_path, patience_seconds=0.1) as gateway:
        key, _ = await gateway.start()
        await gateway.observe(key)
        message = f'secret "{stand.job(key)["metadata"]["name"]}" not found'
        stand.kubelet.waiting(stand.pod(key), "CreateContainerConfigError", message)
        await until(lambda: grace_of(stand, key) == 1)
        stand.kubelet.never_ran(stand.pod(key))
        end = await gateway.end_of(key)
        assert end == Refused(reason=f"CreateContainerConfigError: {message}", passing=True)


async def test_a_container_that_ran_after_all_is_not_called_refused(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        await gateway.observe(key)
        stand.kubelet.waiting(stand.pod(key), "InvalidImageName", "no name")
        await until(lambda: grace_of(stand, key) == 1)
        stand.kubelet.run(stand.pod(key))
        stand.kubelet.end(stand.pod(key), 0)
        assert await gateway.end_of(key) == SUCCEEDED


async def test_what_the_status_does_not_tell_comes_from_events(stand, tmp_path):
    stand.cluster.holds_pods = True
    async with a_gateway(stand, tmp_path, patience_seconds=0.1) as gateway:
        key, _ = await gateway.start()
        assert isinstance(await gateway.observe(key), Pending)
        stand.warn(stand.job(key), "FailedCreate", "exceeded quota: pods, limited: pods=4")
        await gateway.pending(key, "FailedCreate: exceeded quota: pods, limited: pods=4")


async def test_a_volume_that_is_not_there_is_a_refusal(stand, tmp_path):
    async with a_gateway(stand, tmp_path, patience_seconds=0.1) as gateway:
        key, _ = await gateway.start()
        await gateway.observe(key)
        stand.kubelet.waiting(stand.pod(key))
        (pod,) = stand.pods(key)
        message = 'MountVolume.SetUp failed for volume "volume-0" : configmap "settings" not found'
        stand.warn(pod, "FailedMount", message)
        await until(lambda: grace_of(stand, key) == 1)
        stand.kubelet.never_ran(stand.pod(key))
        assert await gateway.end_of(key) == Refused(reason=f"FailedMount: {message}", passing=False)
