"""Starting attempts in Kubernetes: once, whatever happens, and told clearly when it cannot be done."""

import asyncio
import base64
import contextlib
import time
from pathlib import Path

import pytest

from gateway.domain.executor import (
    AttemptKey,
    ExecutorUnavailable,
    Mount,
    Pending,
    Resources,
    Running,
    StartRefused,
    Unreachable,
    Vanished,
)
from gateway.executors import kubernetes
from gateway.executors.kubernetes import KubernetesExecutor
from gateway.executors.kubernetes_access import access_by_file
from gateway.executors.kubernetes_manifest import Maker
from tests.adapters.kubernetes_gateway import SUCCEEDED, a_gateway, a_launch, until
from tests.kubernetes_kubelet import expanded
from tests.kubernetes_stand import NAMESPACE


async def test_a_start_makes_one_job_that_kubernetes_never_repeats(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        spec = stand.job(key)["spec"]
        assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (0, "Never")
        assert len(stand.pods(key)) == 1


async def test_a_second_start_finds_the_first(stand, tmp_path):
    launch = a_launch()
    async with a_gateway(stand, tmp_path) as gateway:
        handle = await gateway.executor.start(launch)
        assert await gateway.executor.start(launch) == handle
    async with a_gateway(stand, tmp_path) as other:
        assert await other.executor.start(launch) == handle
    assert len(stand.jobs(launch.key)) == len(stand.pods(launch.key)) == 1
    assert len(stand.cluster.all("secrets")) == 1


async def test_values_arrive_as_they_are_and_secrets_lie_in_a_secret(stand, tmp_path):
    values = {"A": "$(B) $$(B) $B $é $", "B": "b", "TOKEN": "very secret $(B)", "odd name": "hidden"}
    commands = ("sh", "-c", "echo $(B) $$ $B '$(TOKEN)'")
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start(
            environment=values, secrets=frozenset({"TOKEN", "odd name"}), commands=commands
        )
    job, (secret,) = stand.job(key), stand.cluster.all("secrets")
    assert "very secret" not in str(job)
    assert "hidden" not in str(job)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    seen = {}
    for variable in container["env"]:
        if "value" in variable:
            seen[variable["name"]] = expanded(variable["value"], seen)
        else:
            wanted = variable["valueFrom"]["secretKeyRef"]
            assert wanted["name"] == secret["metadata"]["name"]
            seen[variable["name"]] = base64.b64decode(secret["data"][wanted["key"]]).decode()
    assert seen == values
    assert tuple(expanded(part, seen) for part in container["command"]) == commands


async def test_without_commands_the_image_runs_its_own(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start(commands=())
    (container,) = stand.job(key)["spec"]["template"]["spec"]["containers"]
    assert container.keys().isdisjoint({"command", "args"})


# Killed in between


async def _killed_when_it_has_made(stand, tmp_path, launch, path):
    """Start an attempt with a gateway that is gone when something has been asked of a path."""
    async with a_gateway(stand, tmp_path) as gateway:
        stand.fail("POST", path, code=503, times=-1)
        starting = asyncio.create_task(gateway.executor.start(launch))
        await until(lambda: any(fault.times < -1 for fault in stand.api.faults))
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
    stand.api.faults.clear()


async def test_a_gateway_killed_between_job_and_secret_makes_the_secret_after_its_restart(stand, tmp_path):
    launch = a_launch()
    await _killed_when_it_has_made(stand, tmp_path, launch, "/secrets")
    assert (len(stand.jobs(launch.key)), stand.cluster.all("secrets")) == (1, [])
    name = stand.job(launch.key)["metadata"]["name"]
    stand.kubelet.waiting(stand.pod(launch.key), "CreateContainerConfigError", f'secret "{name}" not found')
    async with a_gateway(stand, tmp_path) as gateway:
        handle = await gateway.executor.start(launch)
        await gateway.pending(launch.key, "CreateContainerConfigError")
        (secret,) = stand.cluster.all("secrets")
        (owner,) = secret["metadata"]["ownerReferences"]
        assert owner["uid"] == stand.job(launch.key)["metadata"]["uid"]
        stand.kubelet.run(stand.pod(launch.key))
        await gateway.running(launch.key)
        assert handle.endswith(name)
    assert len(stand.pods(launch.key)) == 1


async def test_a_gateway_killed_before_the_job_leaves_nothing(stand, tmp_path):
    launch = a_launch()
    await _killed_when_it_has_made(stand, tmp_path, launch, "/jobs")
    assert stand.jobs(launch.key) == stand.cluster.all("secrets") == []


async def test_what_a_killed_gateway_left_of_a_deleted_job_is_found_and_removed(stand, tmp_path):
    launch = a_launch()
    await _killed_when_it_has_made(stand, tmp_path, launch, "/secrets")
    async with a_gateway(stand, tmp_path) as gateway:
        assert await gateway.executor.kept() == [launch.key.job_id]
        await gateway.executor.remove(launch.key.job_id)
        await until(lambda: not stand.cluster.all("pods"))
    assert stand.jobs(launch.key) == []


async def test_the_secret_goes_with_its_job(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        assert len(stand.cluster.all("secrets")) == 1
        await gateway.executor.remove(key.job_id)
    assert stand.cluster.all("secrets") == []


# What goes wrong


@pytest.mark.parametrize(
    "fault",
    [
        {"code": 500, "is_done": True},
        {"code": 0, "is_done": True},
        {"code": 503},
        {"code": 429, "headers": {"Retry-After": "0"}, "reason": "TooManyRequests", "times": 7},
    ],
)
@pytest.mark.parametrize("path", ["/jobs$", "/secrets$"])
async def test_a_request_that_fails_is_made_again_and_nothing_twice(stand, tmp_path, fault, path):
    stand.fail("POST", path, **fault)
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
    assert not stand.api.faults
    assert (len(stand.jobs(key)), len(stand.cluster.all("secrets"))) == (1, 1)


async def test_a_busy_server_is_left_alone_for_as_long_as_it_says(stand, tmp_path):
    stand.fail("POST", "/jobs", code=429, headers={"Retry-After": "1"}, reason="TooManyRequests")
    async with a_gateway(stand, tmp_path) as gateway:
        began = time.monotonic()
        await gateway.start()
        assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    ("fault", "passing"),
    [
        ({"code": 403, "reason": "Forbidden", "message": 'jobs.batch is forbidden: User "x" cannot'}, False),
        ({"code": 403, "reason": "Forbidden", "message": "exceeded quota: jobs, used: count=5"}, True),
        ({"code": 404, "reason": "NotFound", "message": 'namespaces "jobs" not found'}, False),
        ({"code": 422, "reason": "Invalid", "message": "spec: Invalid value"}, False),
    ],
)
@pytest.mark.parametrize("path", ["/jobs$", "/secrets$"])
async def test_a_refusal_is_told_in_the_servers_words_and_leaves_nothing(
    stand, tmp_path, fault, passing, path
):
    stand.fail("POST", path, **fault)
    async with a_gateway(stand, tmp_path) as gateway:
        with pytest.raises(StartRefused) as refused:
            await gateway.start()
    assert refused.value.passing is passing
    assert fault["message"] in refused.value.reason
    assert stand.cluster.all("jobs") == stand.cluster.all("secrets") == []


async def test_more_memory_asked_for_than_allowed_is_refused_with_the_reason(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        with pytest.raises(StartRefused, match="memory limit of 10Mi") as refused:
            await gateway.start(resources=Resources(memory_limit_mb=10, memory_request_mb=20))
    assert not refused.value.passing


async def test_a_job_of_that_name_which_is_not_ours_is_left_alone(stand, tmp_path):
    launch = a_launch()
    async with a_gateway(stand, tmp_path, maker={"instance": "theirs"}) as other:
        await other.executor.start(launch)
    async with a_gateway(stand, tmp_path) as gateway:
        with pytest.raises(StartRefused, match="not this gateway's") as refused:
            await gateway.executor.start(launch)
        assert not refused.value.passing
        assert await gateway.executor.kept() == []
    assert len(stand.jobs(launch.key)) == 1


async def test_a_volume_that_no_setting_names_is_refused(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        with pytest.raises(StartRefused, match="VOLUMES has no 'data'"):
            await gateway.start(mounts=(Mount(name="v", source="data", path="/data"),))


async def test_an_id_that_cannot_name_a_job_is_refused(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        with pytest.raises(StartRefused, match="'Upper' cannot name a Kubernetes Job"):
            await gateway.start(key=AttemptKey("Upper", 1))


async def test_out_of_reach_from_the_start_is_refused_for_now(stand, tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes, "START_SECONDS", 0.1)
    async with a_gateway(stand, tmp_path) as gateway:
        stand.down()
        with pytest.raises(StartRefused, match="out of reach") as refused:
            await gateway.start()
    assert refused.value.passing


async def test_when_it_is_not_known_whether_it_was_made_the_handle_is_given(stand, tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes, "START_SECONDS", 0.1)
    async with a_gateway(stand, tmp_path) as gateway:
        stand.fail("POST", "/jobs", code=504, is_done=True)
        stand.fail("POST", "/jobs", code=503, times=-1)
        made, _ = await gateway.start(secrets=frozenset())
        assert isinstance(await gateway.observe(made), Pending)
        stand.kubelet.run(stand.pod(made))
        await gateway.running(made)
        not_made, _ = await gateway.start()
        assert await gateway.observe(not_made) == Vanished("the cluster does not know its Job")


async def test_a_handle_of_another_namespace_is_not_taken_for_one_that_is_gone(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        seen = await gateway.observe(key, f"elsewhere/job-{key.job_id}-1")
    assert isinstance(seen, Unreachable)
    assert "KUBERNETES_NAMESPACE" in seen.reason


# At the start of the gateway


async def _opened(stand, tmp_path: Path, **user: object) -> None:
    access = access_by_file(stand.kubeconfig(tmp_path / "kubeconfig", **user))
    maker = Maker(namespace=NAMESPACE, instance="ours")
    executor = KubernetesExecutor(tmp_path / "jobs", access=access, maker=maker, output_limit_bytes=1 << 20)
    await executor.open(lambda _key: None)
    await executor.close()


async def test_wrong_credentials_are_told_to_the_operator(stand, tmp_path):
    with pytest.raises(ExecutorUnavailable, match="does not let the gateway in: Unauthorized"):
        await _opened(stand, tmp_path, token="wrong")


async def test_a_missing_right_is_told_to_the_operator(stand, tmp_path):
    stand.fail(
        "GET", "/pods", code=403, reason="Forbidden", message='pods is forbidden: User "x" cannot list'
    )
    with pytest.raises(ExecutorUnavailable, match='User "x" cannot list'):
        await _opened(stand, tmp_path)


async def test_a_server_that_is_too_old_is_told_to_the_operator(stand, tmp_path):
    stand.api.version = "v1.19.16"
    with pytest.raises(ExecutorUnavailable, match=r"Kubernetes 1\.20 or newer is needed; this one is 1\.19"):
        await _opened(stand, tmp_path)


async def test_what_is_no_kubernetes_is_told_to_the_operator(stand, tmp_path):
    stand.api.version = "something.else"
    with pytest.raises(ExecutorUnavailable, match="is no Kubernetes"):
        await _opened(stand, tmp_path)


async def test_a_cluster_that_is_not_there_is_told_to_the_operator(stand, tmp_path):
    stand.down()
    with pytest.raises(ExecutorUnavailable, match="cannot be reached"):
        await _opened(stand, tmp_path)


async def test_a_token_that_was_exchanged_is_read_again(stand, tmp_path):
    token = tmp_path / "token"
    token.write_text("stand-token\n")
    async with a_gateway(stand, tmp_path, tokenFile=str(token)) as gateway:
        stand.api.tokens = {"next-token"}
        token.write_text("next-token\n")
        stand.api.drop_watches()
        key, _ = await gateway.start()
        stand.kubelet.run(stand.pod(key))
        await gateway.seen(key, lambda seen: seen == Running())
        stand.kubelet.end(stand.pod(key), 0)
        assert await gateway.end_of(key) == SUCCEEDED
