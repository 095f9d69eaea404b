"""The executor of containers with a real dockerd: starting, ends, stopping, output, removal."""

import asyncio
from pathlib import Path

import pytest

from gateway.domain.executor import (
    AttemptKey,
    Executor,
    ExecutorUnavailable,
    Refused,
    Running,
    StartRefused,
    Vanished,
)
from gateway.domain.words import OutputChannel
from gateway.executors.docker_container import Rules, body_of, name_of
from tests.adapters.docker_gateway import (
    gateway,
    launch,
    new_key,
    script,
)
from tests.docker_stand import DockerStand
from tests.engine_stand import EngineStand

STDOUT, STDERR = OutputChannel.STDOUT, OutputChannel.STDERR


async def test_an_attempt_runs_once_and_tells_its_exit_code_and_both_streams(
    engine: EngineStand, tmp_path: Path
) -> None:
    async with gateway(engine, tmp_path) as opened:
        executor: Executor = opened.executor
        launched = script("echo out; echo err >&2; exit 3")
        handle = await executor.start(launched)

        assert await opened.end_of(launched.key) == opened.exited(3)
        assert await executor.start(launched) == handle
        assert (await opened.text(launched.key), await opened.text(launched.key, STDERR)) == (
            "out\n",
            "err\n",
        )
        assert executor.queues is False
        assert executor.isolation == "container"


async def test_it_gets_its_environment_and_its_words_as_they_are(engine: EngineStand, tmp_path: Path) -> None:
    async with gateway(engine, tmp_path) as opened:
        environment = {"EMPTY": "", "TEXT": "a 'b' $c\nd=ü"}
        said = await opened.output_of(
            launch(
                "sh", "-c", 'printf "%s|" "$EMPTY" "$TEXT" "$@"', "sh", "x y", "*", environment=environment
            )
        )
        assert said == "|a 'b' $c\nd=ü|x y|*|"
        names = await opened.output_of(launch("env", environment={"ONLY": "1"}))
        assert {line.partition("=")[0] for line in names.splitlines()} == {"ONLY"} | engine.variables


async def test_without_commands_the_image_runs_its_own(docker: EngineStand, tmp_path: Path) -> None:
    async with gateway(docker, tmp_path) as opened:
        assert await opened.output_of(launch()) == "image command\n"
        assert await opened.output_of(launch("echo", "mine")) == "mine\n"


async def test_starts_at_the_same_time_make_one_container(engine: EngineStand, tmp_path: Path) -> None:
    launched = script("echo once; sleep 100")
    async with (
        gateway(engine, tmp_path / "a", instance="shared") as one,
        gateway(engine, tmp_path / "b", instance="shared") as other,
    ):
        handles = await asyncio.gather(
            *(opened.executor.start(launched) for opened in (one, other, one, other))
        )
        assert set(handles) == {name_of(launched.key)}
        await one.says(launched.key, "once\n")
        assert await other.executor.observe(launched.key, handles[0]) == Running()
        await one.executor.remove(launched.key.job_id)


async def test_a_container_that_a_killed_gateway_made_but_did_not_start_is_started(
    engine: EngineStand, tmp_path: Path
) -> None:
    launched = script("echo ran")
    body = body_of(launched, Rules(volumes={}, log_bytes=1 << 20), "mine")
    engine.create(name_of(launched.key), body)
    async with gateway(engine, tmp_path, instance="mine") as opened:
        assert engine.inspect(name_of(launched.key))["State"]["Status"] == "created"
        assert await opened.output_of(launched) == "ran\n"


async def test_one_that_is_observed_without_ever_having_been_started_is_refused(
    docker: EngineStand, tmp_path: Path
) -> None:
    launched = script("true")
    docker.create(name_of(launched.key), body_of(launched, Rules(volumes={}, log_bytes=1 << 20), "mine"))
    async with gateway(docker, tmp_path, instance="mine") as opened:
        seen = await opened.executor.observe(launched.key, name_of(launched.key))
        assert seen == Refused(reason="Docker did not start the container", passing=True)
        await opened.gone(launched.key)


async def test_a_name_that_somebody_else_has_taken_is_refused(docker: EngineStand, tmp_path: Path) -> None:
    launched = script("true")
    docker.create(name_of(launched.key), body_of(launched, Rules(volumes={}, log_bytes=1 << 20), "theirs"))
    async with gateway(docker, tmp_path, instance="mine") as opened:
        with pytest.raises(StartRefused, match="of somebody else") as refused:
            await opened.executor.start(launched)
        assert not refused.value.passing
        await opened.executor.remove(launched.key.job_id)
        assert name_of(launched.key) in docker.names()
        assert (
            launched.key.job_id not in await opened.executor.kept()
            or (tmp_path / launched.key.job_id).exists()
        )
    docker.delete(name_of(launched.key))


async def test_a_command_that_is_not_there_is_refused_for_good(engine: EngineStand, tmp_path: Path) -> None:
    async with gateway(engine, tmp_path) as opened:
        seen = await opened.run(launch("no-such-command", "x"))
        assert isinstance(seen, Refused)
        assert not seen.passing
        assert seen.reason.startswith("the image cannot run the command: ")
        # podman's init does not name it.
        assert "no-such-command" in seen.reason or engine.name == "podman"
        # A command of the job's own may end with the same code.
        assert await opened.run(script("exit 127")) == opened.exited(127)


async def test_a_stop_sends_sigterm_and_leaves_the_grace(engine: EngineStand, tmp_path: Path) -> None:
    async with gateway(engine, tmp_path) as opened:
        tidy = script("trap 'echo tidied; exit 5' TERM; echo up; while true; do sleep 0.05; done")
        deaf = launch("sleep", "1000")
        for launched in (tidy, deaf):
            await opened.executor.start(launched)
            assert await opened.executor.observe(launched.key, name_of(launched.key)) == Running()
        await opened.says(tidy.key, "up\n")
        for launched in (tidy, deaf):
            await opened.executor.stop(launched.key, name_of(launched.key), grace_seconds=600)
        assert await opened.end_of(tidy.key) == opened.exited(5)
        assert await opened.text(tidy.key) == "up\ntidied\n"
        # It asked for no signal, and as the first process of a container it would not get any.
        assert await opened.end_of(deaf.key) == opened.terminated


async def test_after_the_grace_it_is_killed_and_a_shorter_grace_goes_before(
    engine: EngineStand, tmp_path: Path
) -> None:
    async with gateway(engine, tmp_path) as opened:
        keys = [new_key() for _ in range(3)]
        for key in keys:
            await opened.executor.start(
                script("trap '' TERM; echo up; while true; do sleep 0.05; done", key=key)
            )
        for key in keys:
            await opened.says(key, "up\n")
        graces = {keys[0]: (1,), keys[1]: (600, 1), keys[2]: (600, 0)}
        for key, seconds in graces.items():
            for grace in seconds:
                await opened.executor.stop(key, name_of(key), grace_seconds=grace)
        assert [await opened.end_of(key) for key in keys] == [opened.killed] * 3
        # Without a grace it is not asked at all.
        tidy = script("trap 'exit 9' TERM; echo up; while true; do sleep 0.05; done")
        await opened.executor.start(tidy)
        await opened.says(tidy.key, "up\n")
        await opened.executor.stop(tidy.key, name_of(tidy.key), grace_seconds=0)
        assert await opened.end_of(tidy.key) == opened.killed


async def test_a_stop_of_what_has_ended_changes_nothing(docker: EngineStand, tmp_path: Path) -> None:
    async with gateway(docker, tmp_path) as opened:
        launched = script("true")
        assert await opened.run(launched) == opened.succeeded
        await opened.executor.stop(launched.key, name_of(launched.key), grace_seconds=0)
        assert await opened.executor.observe(launched.key, name_of(launched.key)) == opened.succeeded


async def test_what_others_do_to_a_container_is_seen(docker: EngineStand, tmp_path: Path) -> None:
    async with gateway(docker, tmp_path) as opened:
        killed, deleted = launch("sleep", "1000"), launch("sleep", "1000")
        for launched in (killed, deleted):
            await opened.executor.start(launched)
            assert await opened.executor.observe(launched.key, name_of(launched.key)) == Running()
        docker.kill(name_of(killed.key))
        docker.delete(name_of(deleted.key))
        assert await opened.end_of(killed.key) == opened.killed
        seen = await opened.end_of(deleted.key)
        # It may be seen dead before it is gone.
        assert seen in (opened.killed, Vanished("its container was deleted while it ran"))
        never = AttemptKey(killed.key.job_id, 2)
        assert await opened.executor.observe(never, name_of(never)) == Vanished("its container is gone")


async def test_output_is_read_while_it_runs_and_in_pieces(docker: EngineStand, tmp_path: Path) -> None:
    async with gateway(docker, tmp_path) as opened:
        launched = script("echo 0123456789; sleep 1000")
        await opened.executor.start(launched)
        await opened.says(launched.key, "0123456789\n")
        piece = await opened.executor.output(launched.key, STDOUT, offset=4, limit=3)
        assert (piece.data, piece.offset, piece.next_offset, piece.size) == (b"456", 4, 7, 11)
        last = await opened.executor.output(launched.key, STDOUT, offset=-4, limit=9)
        assert (last.data, last.offset) == (b"789\n", 7)
        assert await opened.text(launched.key, STDERR) == ""
        await opened.executor.remove(launched.key.job_id)


async def test_long_lines_and_many_short_ones_stay_whole(engine: EngineStand, tmp_path: Path) -> None:
    async with gateway(engine, tmp_path) as opened:
        launched = script("head -c 50000 /dev/zero | tr '\\0' x; echo; seq 1 20000; echo; printf end")
        said = await opened.output_of(launched)
        assert said == "x" * 50000 + "\n" + "".join(f"{n}\n" for n in range(1, 20001)) + "\nend"


async def test_of_long_output_the_middle_is_dropped(docker: EngineStand, tmp_path: Path) -> None:
    bound = 16 * 1024
    async with gateway(docker, tmp_path, output_limit_bytes=bound) as opened:
        launched = script("seq 100000 109999; seq 200000 209999 >&2")
        assert await opened.run(launched) == opened.succeeded
        for channel, first in ((STDOUT, 100000), (STDERR, 200000)):
            written = b"".join(b"%d\n" % n for n in range(first, first + 10000))
            head = await opened.executor.output(launched.key, channel, offset=0, limit=1 << 20)
            tail = await opened.executor.output(launched.key, channel, offset=head.next_offset, limit=1 << 20)
            assert written.startswith(head.data)
            assert len(head.data) == bound // 2
            assert written.endswith(tail.data)
            assert head.dropped_bytes == len(written) - len(head.data) - len(tail.data) > 0
            assert head.size == tail.next_offset == len(written)


async def test_nothing_is_left_behind(engine: EngineStand, tmp_path: Path) -> None:
    async with gateway(engine, tmp_path) as opened:
        ended, running = script("echo kept"), launch("sleep", "1000")
        assert await opened.run(ended) == opened.succeeded
        await opened.executor.start(running)
        await opened.gone(ended.key)
        assert await opened.text(ended.key) == "kept\n"
        assert set(await opened.executor.kept()) == {ended.key.job_id, running.key.job_id}
        for launched in (ended, running):
            await opened.executor.remove(launched.key.job_id)
        assert await opened.executor.kept() == []
        assert await opened.text(ended.key) == ""
    assert not {name_of(ended.key), name_of(running.key)} & engine.names()
    assert [path.name for path in tmp_path.iterdir()] == [".docker-instance"]


async def test_without_an_engine_or_its_network_the_gateway_does_not_start(
    docker: EngineStand, tmp_path: Path
) -> None:
    with pytest.raises(ExecutorUnavailable, match=r"setting DOCKER_NETWORK: Docker has no network 'a/b'"):
        async with gateway(docker, tmp_path, rules={"network": "a/b"}):
            pass
    away = DockerStand()
    try:
        with pytest.raises(
            ExecutorUnavailable, match=rf"Docker at {away.url} cannot be used: .*No such file"
        ):
            async with gateway(away, tmp_path):
                pass
    finally:
        away.close()
