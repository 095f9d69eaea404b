"""The Role that comes with the gateway allows just what the executor was seen to do."""

import asyncio
from pathlib import Path

import yaml

from tests.adapters.kubernetes_gateway import a_gateway, a_launch

ROLE = Path(__file__).parents[2] / "docker" / "kubernetes" / "access.yaml"


def allowed():
    """Resources and verbs of the Role."""
    (role,) = [one for one in yaml.safe_load_all(ROLE.read_text("utf-8")) if one["kind"] == "Role"]
    rules = role["rules"]
    assert all(rule["apiGroups"] == (["batch"] if rule["resources"] == ["jobs"] else [""]) for rule in rules)
    return {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


async def test_the_role_allows_what_is_needed_and_no_more(stand, tmp_path):
    launch = a_launch()
    async with a_gateway(stand, tmp_path, patience_seconds=0.05) as gateway:
        handle = await gateway.executor.start(launch)
        await gateway.executor.start(launch)
        await gateway.observe(launch.key)
        stand.kubelet.waiting(stand.pod(launch.key))
        (pod,) = stand.pods(launch.key)
        stand.warn(pod, "FailedScheduling", "slow")
        await gateway.pending(launch.key, "FailedScheduling")
        stand.kubelet.run(stand.pod(launch.key))
        await gateway.running(launch.key)
        await gateway.output(launch.key)
        await gateway.executor.stop(launch.key, handle, grace_seconds=3)
        stand.cluster.kubelet = lambda pod: None
        name = stand.pod(launch.key)
        stand.kubelet.end(name, 143)
        await gateway.end_of(launch.key)
        async with asyncio.timeout(60):
            # The Job is sealed beside all that.
            while ("jobs", "patch") not in stand.verbs():
                await asyncio.sleep(0.005)
        await gateway.executor.remove(launch.key.job_id)
    assert stand.verbs() == allowed()
