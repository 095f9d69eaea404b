"""What attempts in Kubernetes wrote: while they run, after their end, and after their pod is gone."""

import gc

import pytest

from gateway.domain.executor import Unreachable, Vanished
from gateway.domain.words import OutputChannel
from gateway.executors import kubernetes_following
from gateway.executors.kubernetes_output import Keeper, Log
from tests.adapters.kubernetes_gateway import SUCCEEDED, TERMINATED, a_gateway, until


async def a_writing_one(stand, gateway, text=b""):
    """An attempt that is seen to run and has written."""
    key, handle = await gateway.start()
    stand.kubelet.run(stand.pod(key))
    await gateway.running(key)
    if text:
        stand.kubelet.write(stand.pod(key), text)
    return key, handle


async def test_it_is_read_while_the_job_runs(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_writing_one(stand, gateway, b"first\n")
        assert await gateway.output(key) == b"first\n"
        stand.kubelet.write(stand.pod(key), b"second\n")
        chunk = await gateway.executor.output(key, OutputChannel.STDOUT, offset=6, limit=3)
        assert (chunk.data, chunk.offset, chunk.next_offset, chunk.size) == (b"sec", 6, 9, 13)
        assert await gateway.output(key, offset=-4) == b"ond\n"


async def test_it_is_kept_before_the_end_is_told(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_writing_one(stand, gateway, b"all of it\n")
        stand.kubelet.end(stand.pod(key), 0)
        assert await gateway.end_of(key) == SUCCEEDED
        stand.cluster.delete_job(stand.job(key)["metadata"]["name"])
        stand.down()
        assert await gateway.output(key) == b"all of it\n"


async def test_the_last_words_of_a_stopped_job_are_kept(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await a_writing_one(stand, gateway, b"working\n")
        await gateway.executor.stop(key, handle, grace_seconds=30)
        await until(lambda: "deletionTimestamp" in stand.pods(key)[0]["metadata"])
        await until(lambda: stand.api.following)
        stand.kubelet.write(stand.pod(key), b"bye\n")
        stand.kubelet.end(stand.pod(key), 143)
        assert await gateway.end_of(key) == TERMINATED
        assert await gateway.output(key) == b"working\nbye\n"


async def test_what_is_kept_is_not_in_memory_any_more(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await a_writing_one(stand, gateway, b"working\n")
        await gateway.executor.stop(key, handle, grace_seconds=30)
        await until(lambda: stand.api.following)
        assert any(isinstance(one, Log) for one in gc.get_objects())
        stand.kubelet.end(stand.pod(key), 143)
        assert await gateway.end_of(key) == TERMINATED
        gc.collect()
        assert not any(isinstance(one, Log) for one in gc.get_objects())


async def test_an_end_whose_keeping_fails_unexpectedly_is_told_all_the_same(
    stand, tmp_path, monkeypatch, caplog
):
    keep, tries = Keeper.keep, []

    def fail_once(*arguments):
        tries.append(arguments)
        if len(tries) == 1:
            raise RuntimeError("something nobody thought of")
        keep(*arguments)

    monkeypatch.setattr(Keeper, "keep", fail_once)
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_writing_one(stand, gateway, b"all of it\n")
        stand.kubelet.end(stand.pod(key), 0)
        await until(lambda: "following the cluster failed" in caplog.text)
        assert await gateway.end_of(key) == SUCCEEDED
        assert await gateway.output(key) == b"all of it\n"


async def test_even_if_it_ends_as_soon_as_it_is_told_to(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, handle = await a_writing_one(stand, gateway, b"working\n")

        def obey(pod):
            name = pod["metadata"]["name"]
            if pod["metadata"].get("deletionGracePeriodSeconds") and not stand.kubelet.has_ended(name):
                stand.kubelet.write(name, b"bye\n")
                stand.kubelet.end(name, 0)

        stand.cluster.kubelet = obey
        await gateway.executor.stop(key, handle, grace_seconds=30)
        assert await gateway.end_of(key) == SUCCEEDED
        assert await gateway.output(key) == b"working\nbye\n"


async def test_a_log_that_can_be_read_only_later_is_read_later(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_writing_one(stand, gateway, b"x")
        stand.fail("GET", "/log", code=500, message="the kubelet is busy", times=2)
        stand.kubelet.end(stand.pod(key), 0)
        assert await gateway.end_of(key) == SUCCEEDED
        assert await gateway.output(key) == b"x"
    assert not stand.api.faults


async def test_a_log_that_cannot_be_read_does_not_hold_the_end_up_for_ever(stand, tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes_following, "KEEP_SECONDS", 0.1)
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_writing_one(stand, gateway, b"x")
        stand.fail("GET", "/log", code=500, message="no route to the kubelet", times=-1)
        stand.kubelet.lose(stand.pod(key), "NodeLost", "the node is gone")
        assert await gateway.end_of(key) == Vanished("NodeLost: the node is gone")
        assert await gateway.output(key) == b""


async def test_it_is_waited_for_while_the_cluster_is_out_of_reach(stand, tmp_path, monkeypatch):
    def asked():
        return sum(told.resource == "pods/log" for told in stand.api.told)

    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_writing_one(stand, gateway, b"x")
        stand.fail("GET", "/log$", code=503, times=-1)
        stand.kubelet.end(stand.pod(key), 0)
        await until(asked)
        for path in ("/pods$", "/jobs$"):
            stand.fail("GET", path, code=503, times=-1)
        stand.api.drop_watches()
        await gateway.seen(key, lambda seen: isinstance(seen, Unreachable))
        monkeypatch.setattr(kubernetes_following, "KEEP_SECONDS", 0.0)
        before = asked()
        await until(lambda: asked() > before + 2)
        monkeypatch.setattr(kubernetes_following, "KEEP_SECONDS", 20.0)
        stand.api.faults.clear()
        assert await gateway.end_of(key) == SUCCEEDED
        assert await gateway.output(key) == b"x"


async def test_of_a_long_one_the_middle_is_dropped_and_offsets_stay_true(stand, tmp_path):
    text = bytes(range(256)) * 100
    async with a_gateway(stand, tmp_path, output_limit_bytes=2000) as gateway:
        key, _ = await a_writing_one(stand, gateway, text)
        stand.kubelet.end(stand.pod(key), 0)
        await gateway.end_of(key)
        chunk = await gateway.executor.output(key, OutputChannel.STDOUT, offset=0, limit=len(text))
        assert (chunk.data, chunk.size) == (text[:1000], len(text))
        assert chunk.dropped_bytes == len(text) - 2000
        rest = await gateway.output(key, offset=chunk.next_offset, limit=len(text))
        assert rest == text[-1000:]
        assert sum(file.stat().st_size for file in tmp_path.rglob("stdout")) == 2000


async def test_all_of_it_is_standard_output(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await a_writing_one(stand, gateway, b"x")
        for _ in range(2):
            chunk = await gateway.executor.output(key, OutputChannel.STDERR, offset=0, limit=10)
            assert (chunk.data, chunk.size) == (b"", 0)
            stand.kubelet.end(stand.pod(key), 0)
            await gateway.end_of(key)


async def test_what_has_not_begun_has_written_nothing(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        assert await gateway.output(key) == b""
        stand.kubelet.waiting(stand.pod(key))
        await gateway.pending(key, "ContainerCreating")
        assert await gateway.output(key) == b""


async def test_remove_takes_all_attempts_from_the_cluster_and_the_folder(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        first, _ = await a_writing_one(stand, gateway, b"x")
        stand.kubelet.end(stand.pod(first), 0)
        await gateway.end_of(first)
        second, _ = await gateway.start(key=first._replace(attempt=2))
        other, _ = await gateway.start()
        await gateway.executor.remove(first.job_id)
        assert stand.jobs(first) == stand.jobs(second) == []
        assert len(stand.jobs(other)) == 1
        assert not list(tmp_path.rglob(f"*{first.job_id}*"))
        await until(lambda: not stand.pods(first))


async def test_remove_is_made_up_for_when_the_cluster_is_back(stand, tmp_path):
    async with a_gateway(stand, tmp_path) as gateway:
        key, _ = await gateway.start()
        await gateway.observe(key)
        stand.down()
        await gateway.executor.remove(key.job_id)
        assert len(stand.jobs(key)) == 1
        stand.up()
        await until(lambda: not stand.jobs(key))


@pytest.mark.parametrize("job_id", ["..", "a/b", ""])
async def test_no_other_folder_can_be_named(stand, tmp_path, job_id):
    async with a_gateway(stand, tmp_path) as gateway:
        with pytest.raises(ValueError, match="not the id of a job"):
            await gateway.executor.remove(job_id)
