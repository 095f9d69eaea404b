"""The watches of the Kubernetes executor: dropped, outdated, refused, and always right again afterwards."""

from gateway.domain.executor import Exited, Pending, Running, Unreachable, Vanished
from tests.adapters.kubernetes_gateway import SUCCEEDED, a_gateway, until


def asked(stand, resource, verb):
    """How often something was asked for."""
    return sum((told.resource, told.verb) == (resource, verb) for told in stand.api.told)


async def a_running_one(stand, gateway):
    """An attempt that is seen to run."""
    key, _ = await gateway.start()
    stand.kubelet.run(stand.pod(key))
    await gateway.running(key)
    return key


async def test_a_dropped_watch_goes_on_where_it_was(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key = await a_running_one(stand, gateway)
        with stand.cluster.lock:
            stand.api.drop_watches()
            stand.kubelet.end(stand.pod(key), 0)
        assert await gateway.end_of(key) == SUCCEEDED
    assert (asked(stand, "jobs", "list"), asked(stand, "pods", "list")) == (1, 1)
    assert asked(stand, "pods", "watch") > 1


async def test_a_dropped_watch_is_no_reason_to_call_the_cluster_unreachable(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key = await a_running_one(stand, gateway)
        before = asked(stand, "pods", "watch")
        stand.api.drop_watches()
        await until(lambda: asked(stand, "pods", "watch") > before)
        assert await gateway.seen(key, lambda seen: not isinstance(seen, Unreachable)) == Running()


async def test_a_watch_too_old_is_listed_again_and_what_went_meanwhile_is_noticed(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        ends, goes = await a_running_one(stand, gateway), await a_running_one(stand, gateway)
        with stand.cluster.lock:
            stand.kubelet.end(stand.pod(ends), 0)
            stand.cluster.delete_job(stand.job(goes)["metadata"]["name"])
            stand.cluster.delete_pod(stand.pod(goes), 0)
            stand.cluster.forget_history()
            stand.api.drop_watches()
        assert await gateway.end_of(ends) == SUCCEEDED
        assert await gateway.end_of(goes) == Vanished("its pod was deleted and left no exit code")
    assert asked(stand, "pods", "list") > 1


async def test_a_watch_that_is_refused_as_too_old_is_listed_again(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key = await a_running_one(stand, gateway)
        stand.fail("GET", "/pods$", code=410, reason="Expired", watch=True)
        with stand.cluster.lock:
            stand.api.drop_watches()
            stand.kubelet.end(stand.pod(key), 0)
        assert await gateway.end_of(key) == SUCCEEDED
    assert asked(stand, "pods", "list") == 2


async def test_bookmarks_spare_a_list(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key = await a_running_one(stand, gateway)
        # What others do in the cluster makes what was last heard of our pods old.
        for number in range(5):
            stand.warn(stand.job(key), f"Other{number}", "something else")
        marked = stand.cluster.version
        await until(lambda: stand.api.marked >= marked)
        await gateway.observe(key)
        with stand.cluster.lock:
            stand.cluster.oldest = marked
            stand.api.drop_watches()
            stand.kubelet.end(stand.pod(key), 0)
        assert await gateway.end_of(key) == SUCCEEDED
    assert asked(stand, "pods", "list") == 1


async def test_long_lists_come_in_parts_and_an_outdated_part_begins_them_anew(stand, tmp_path):
    stand.api.page = 2
    async with a_gateway(stand, tmp_path) as gateway:
        keys = [(await gateway.start())[0] for _ in range(5)]
    stand.fail("GET", "/pods$", code=410, reason="Expired", continued=True)
    async with a_gateway(stand, tmp_path) as gateway:
        assert not stand.api.faults
        for key in keys:
            stand.kubelet.run(stand.pod(key))
            await gateway.running(key)


async def test_a_cluster_out_of_reach_is_told_and_so_is_its_return(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        ends, runs = await a_running_one(stand, gateway), await a_running_one(stand, gateway)
        stand.down()
        unreachable = await gateway.seen(ends, lambda seen: isinstance(seen, Unreachable))
        assert stand.url in unreachable.reason
        stand.kubelet.end(stand.pod(ends), 0)
        stand.up()
        assert await gateway.end_of(ends) == SUCCEEDED
        await gateway.running(runs)


async def test_a_server_in_trouble_is_unreachable_until_it_answers(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key = await a_running_one(stand, gateway)
        stand.fail("GET", "/pods$", code=503, reason="ServiceUnavailable", message="etcd is away", times=-1)
        stand.api.drop_watches()
        seen = await gateway.seen(key, lambda seen: isinstance(seen, Unreachable))
        assert "etcd is away" in seen.reason
        stand.api.faults.clear()
        await gateway.running(key)


async def test_a_busy_server_is_asked_again(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key = await a_running_one(stand, gateway)
        stand.fail("GET", "/pods$", code=429, reason="TooManyRequests", headers={"Retry-After": "0"}, times=3)
        with stand.cluster.lock:
            stand.api.drop_watches()
            stand.kubelet.end(stand.pod(key), 0)
        assert await gateway.end_of(key) == SUCCEEDED
    assert not stand.api.faults


async def test_an_event_that_cannot_be_read_does_not_end_the_watch(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key = await a_running_one(stand, gateway)
        stand.fail("GET", "/pods$", code=200, garbage=b'{"type": "ADDED"}\n', watch=True)
        stand.fail("GET", "/pods$", code=200, garbage=b"<html>\n", watch=True)
        stand.api.drop_watches()
        await until(lambda: not stand.api.faults)
        stand.kubelet.end(stand.pod(key), 0)
        assert await gateway.end_of(key) == SUCCEEDED


async def test_jobs_of_other_gateways_are_not_seen(stand, tmp_path):
    async with a_gateway(stand, tmp_path, maker={"instance": "theirs"}) as other:
        theirs, _ = await other.start()
        async with a_gateway(stand, tmp_path / "..", maker={"instance": "ours"}) as gateway:
            ours, _ = await gateway.start()
            assert isinstance(await gateway.observe(ours), Pending)
            await gateway.executor.remove(theirs.job_id)
            assert theirs.job_id not in await gateway.executor.kept()
    assert len(stand.jobs(theirs)) == 1


async def test_an_attempt_is_found_again_by_another_gateway(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        runs, ended = await a_running_one(stand, gateway), await a_running_one(stand, gateway)
    stand.kubelet.end(stand.pod(ended), 0)
    (tmp_path / "other").mkdir()
    async with a_gateway(stand, tmp_path / "other") as other:
        assert await other.observe(runs) == Running()
        assert await other.end_of(ended) == SUCCEEDED
        assert await other.executor.kept() == sorted([runs.job_id, ended.job_id])


async def test_a_job_that_is_over_before_its_pod_was_seen_has_the_pods_end_and_output(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        stand.fail("GET", "/pods$", code=503, message="not now", watch=True, times=-1)
        stand.api.drop_watches()
        key, _ = await gateway.start()
        stand.kubelet.run(stand.pod(key))
        stand.kubelet.write(stand.pod(key), b"what it wrote")
        stand.kubelet.end(stand.pod(key), 7)
        assert await gateway.end_of(key) == Exited(exit_code=7, out_of_memory=False)
        assert await gateway.output(key) == b"what it wrote"
