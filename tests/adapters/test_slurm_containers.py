"""Jobs in containers of Slurm's, made by runc on the nodes of a real cluster."""

import json
import pwd
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.executor import Exited, Launch, Refused, Resources, Running, StartRefused
from gateway.domain.words import FeatureSupport, OutputChannel
from tests.adapters.test_slurm_executor import (
    DEAF,
    LONG_SECONDS,
    NASTY,
    SUCCEEDED,
    Gateway,
    eventually,
    launch,
    opened,
)
from tests.slurm_stand import IMAGE, ROOTLESS, Slurm, contained, slurm  # noqa: F401


def script(text: str, **members: Any) -> Launch:
    return launch("sh", "-c", text, **({"image": IMAGE} | members))


@pytest.fixture
async def gateway(contained: Slurm, tmp_path: Path) -> AsyncIterator[Gateway]:  # noqa: F811
    async with opened(contained, tmp_path / "shared", bundles=contained.bundles) as made:
        yield made
        for job_id in await made.executor.kept():
            await made.executor.remove(job_id)


async def test_a_command_runs_in_the_container_of_its_image(gateway: Gateway, tmp_path: Path) -> None:
    """It sees the image's files and its own working folder as /tmp, and nothing of the node."""
    (tmp_path / "of-the-host").touch()
    writes = "echo x >/tmp/mine; echo x >/new; echo x >/bin/new"
    launched = script(f"ls /; cat {tmp_path}/of-the-host; {writes}; echo $$; exit 7")
    assert await gateway.ran(launched) == Exited(exit_code=7)
    assert gateway.text(launched.key).split() == ["bin", "dev", "etc", "proc", "sys", "tmp", "1"]
    said = gateway.text(launched.key, "stderr")
    assert "of-the-host': No such file or directory" in said
    assert "/new: Read-only file system" in said
    assert "/bin/new: Read-only file system" in said
    assert (gateway.attempt(launched.key) / "work" / "mine").read_text() == "x\n"


async def test_arguments_and_variables_reach_the_container_as_they_are(gateway: Gateway) -> None:
    environment = {
        "PLAIN": NASTY,
        "EMPTY": "",
        "IFS": "x",
        "UID": "7",
        "dotted.name": NASTY,
        "LD_BIND_NOW": "1",
        "JOB_TOKEN": "secret",
    }
    text = "cat /proc/1/environ >environ; for one; do printf '%s\\0' \"$one\"; done"
    launched = script(f"cd /tmp; {text}", environment=environment)
    commands = (*launched.commands, "sh", NASTY, "", "-n", "a=b")
    launched = launch(*commands, image=IMAGE, environment=environment)
    assert await gateway.ran(launched) == SUCCEEDED
    assert gateway.text(launched.key).split("\0")[:-1] == [NASTY, "", "-n", "a=b"]
    lines = gateway.text(launched.key, "work/environ").split("\0")[:-1]
    seen = dict(line.split("=", 1) for line in lines)
    assert {name: seen.get(name) for name in environment} == environment
    given = {name: seen[name] for name in ("HOME", "TMPDIR", "LANG", "OF_IMAGE")}
    assert given == {"HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "OF_IMAGE": "busybox"}
    assert seen["PATH"].startswith("/usr/local/sbin:")


async def test_secrets_lie_around_no_longer_than_needed(gateway: Gateway, contained: Slurm) -> None:  # noqa: F811
    secret = f"secret-{uuid.uuid4()}"
    launched = script("echo here; exec sleep 600", environment={"KEY": secret}, secrets=frozenset({"KEY"}))
    handle = await gateway.running(launched)
    shown = contained.command("scontrol", "show", "step", handle)
    assert "bundle" in shown
    assert secret not in shown + contained.command("scontrol", "show", "job", handle)
    files = [path for path in gateway.attempt(launched.key).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret in path.read_text("utf-8", "replace")]
    await gateway.executor.stop(launched.key, handle, grace_seconds=0)
    assert await gateway.over(launched, handle) == Exited(exit_code=137, signal=9)


async def test_the_container_is_asked_to_end_once_and_has_its_grace(gateway: Gateway) -> None:
    launched = script(
        "trap 'echo asked; sleep 0.3; echo cleaned; exit 5' TERM; echo here; while :; do sleep 0.05; done"
    )
    handle = await gateway.running(launched)
    await gateway.executor.stop(launched.key, handle, grace_seconds=LONG_SECONDS)
    assert await gateway.over(launched, handle) == Exited(exit_code=5)
    assert gateway.text(launched.key) == "here\nasked\ncleaned\n"


@pytest.mark.parametrize("grace", [0, 1])
async def test_a_container_that_does_not_end_is_killed_after_the_grace(gateway: Gateway, grace: int) -> None:
    launched = script(DEAF)
    handle = await gateway.running(launched)
    await gateway.executor.stop(launched.key, handle, grace_seconds=grace)
    assert await gateway.over(launched, handle) == Exited(exit_code=137, signal=9)
    await eventually(lambda: not lives(gateway, launched))


async def test_removal_ends_the_container_and_leaves_its_image_alone(
    gateway: Gateway,
    contained: Slurm,  # noqa: F811
) -> None:
    image = sorted(contained.bundles.rglob("*"))
    launched = script("echo here; exec sleep 600")
    await gateway.running(launched)
    assert lives(gateway, launched)
    await gateway.executor.remove(launched.key.job_id)
    assert not (gateway.folder / launched.key.job_id).exists()
    await eventually(lambda: not lives(gateway, launched))
    assert sorted(contained.bundles.rglob("*")) == image


async def test_a_container_is_found_again_and_started_once(
    gateway: Gateway,
    contained: Slurm,  # noqa: F811
) -> None:
    """The gateway was killed before it could note the id that Slurm gave."""
    launched = script("echo run >>/tmp/runs; echo here; until [ -e /tmp/go ]; do sleep 0.05; done; exit 4")
    handle = await gateway.running(launched)
    (gateway.attempt(launched.key) / "handle").unlink()
    async with opened(contained, gateway.folder, bundles=contained.bundles) as again:
        assert await again.executor.start(launched) == handle
        assert await again.executor.observe(launched.key, handle) == Running()
        (gateway.attempt(launched.key) / "work" / "go").touch()
        assert await again.over(launched, handle) == Exited(exit_code=4)
    assert gateway.text(launched.key, "work/runs") == "run\n"


async def test_a_stop_after_a_restart_without_bundles_reaches_the_container(
    gateway: Gateway,
    contained: Slurm,  # noqa: F811
) -> None:
    launched = script("trap 'echo asked; exit 5' TERM; echo here; while :; do sleep 0.05; done")
    handle = await gateway.running(launched)
    await gateway.executor.close()
    async with opened(contained, gateway.folder) as again:
        await again.executor.stop(launched.key, handle, grace_seconds=LONG_SECONDS)
        assert await again.over(launched, handle) == Exited(exit_code=5)
    assert gateway.text(launched.key) == "here\nasked\n"


async def test_output_is_read_while_it_grows_and_is_bounded(contained: Slurm, tmp_path: Path) -> None:  # noqa: F811
    async with opened(
        contained, tmp_path / "shared", bundles=contained.bundles, output_limit_bytes=64 * 1024
    ) as gateway:
        launched = script(
            "printf here; until [ -e /tmp/go ]; do sleep 0.05; done; head -c 1000000 /dev/zero | tr '\\0' x"
        )
        handle = await gateway.running(launched)
        read = gateway.executor.output
        assert (await read(launched.key, OutputChannel.STDOUT, offset=0, limit=9)).data == b"here"
        (gateway.attempt(launched.key) / "work" / "go").touch()
        assert await gateway.over(launched, handle) == SUCCEEDED
        head = await read(launched.key, OutputChannel.STDOUT, offset=0, limit=2**20)
        assert head.size == 1000004
        assert head.dropped_bytes > 900000
        kept = (gateway.attempt(launched.key) / "stdout").stat().st_blocks * 512
        assert kept <= 2 * 64 * 1024


async def test_a_container_is_held_to_its_memory_and_cores(gateway: Gateway, contained: Slurm) -> None:  # noqa: F811
    """tail(1) holds what it may have to write."""
    launched = script(
        "nproc; head -c 400000000 /dev/zero | tail -c 400000000; sleep 600",
        resources=Resources(memory_limit_mb=100, cpu_limit=Decimal(contained.cores)),
    )
    assert await gateway.ran(launched) == Exited(exit_code=137, signal=9, out_of_memory=True)
    assert gateway.text(launched.key) == f"{contained.cores}\n"


async def test_a_container_that_slurm_ends_has_died(gateway: Gateway, contained: Slurm) -> None:  # noqa: F811
    launched = script("echo here; exec sleep 600")
    handle = await gateway.running(launched)
    contained.command("scancel", handle)
    seen = await gateway.over(launched, handle)
    assert seen == Exited(exit_code=143, signal=15)


@pytest.mark.parametrize("command", ["no-such-command", "/no/such/command", "/etc"])
async def test_a_command_that_the_image_lacks_is_refused(gateway: Gateway, command: str) -> None:
    seen = await gateway.ran(launch(command, image=IMAGE))
    assert isinstance(seen, Refused)
    assert seen.reason.startswith("the container could not begin on node n")
    assert command in seen.reason
    assert not seen.passing


@pytest.mark.parametrize(
    "image", ["no/such:image", "../bundles/x", "/etc", ".", "a+b", "a b", "a;id", "$(id)", "", "a" * 300, "é"]
)
async def test_an_image_without_a_bundle_is_refused_before_anything_is_submitted(
    gateway: Gateway, image: str
) -> None:
    launched = script("true", image=image)
    with pytest.raises(StartRefused, match=r"bundle") as refused:
        await gateway.executor.start(launched)
    assert repr(image) in refused.value.reason
    assert not refused.value.passing
    assert not gateway.attempt(launched.key).exists()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"root": {"path": 1}, "process": {}}'])
async def test_a_bundle_that_is_not_good_is_refused(contained: Slurm, tmp_path: Path, text: str) -> None:  # noqa: F811
    (tmp_path / "bundles" / "bad").mkdir(parents=True)
    (tmp_path / "bundles" / "bad" / "config.json").write_text(text)
    async with opened(contained, tmp_path / "shared", bundles=tmp_path / "bundles") as gateway:
        with pytest.raises(StartRefused, match=r"the bundle of the image 'bad' is not good") as refused:
            await gateway.executor.start(script("true", image="bad"))
        assert not refused.value.passing


@pytest.mark.parametrize("environment", [{"SLURM_CONF": "/mine"}, {"SRUN_DEBUG": "1"}, {"LD_PRELOAD": "a,b"}])
async def test_variables_that_would_be_srun_s_are_refused(
    gateway: Gateway, environment: dict[str, str]
) -> None:
    launched = script("true", environment=environment)
    with pytest.raises(StartRefused, match=repr(*environment)) as refused:
        await gateway.executor.start(launched)
    assert not refused.value.passing


async def test_a_node_without_oci_conf_runs_nothing_and_says_why(contained: Slurm, tmp_path: Path) -> None:  # noqa: F811
    """Slurm itself would run the command on the node, outside any container."""
    with contained.lone_node() as node:
        folder = tmp_path / "shared"
        async with opened(contained, folder, bundles=contained.bundles, partition="lone") as gateway:
            launched = launch("/bin/sh", "-c", f"echo run >>{tmp_path}/runs", image=IMAGE)
            seen = await gateway.ran(launched)
            assert seen == Refused(
                reason=f"Slurm cannot run containers on node {node}: "
                f"there is no {contained.folder}/bare/oci.conf",
                passing=False,
            )
            assert not (tmp_path / "runs").exists()


async def test_a_runtime_that_fails_is_told(contained: Slurm, tmp_path: Path) -> None:  # noqa: F811
    name = IMAGE.replace("/", "+")
    config = json.loads((contained.bundles / name / "config.json").read_text())
    config["mounts"].append({"destination": "/x", "type": "bind", "source": "/missing", "options": ["bind"]})
    config["root"]["path"] = str(contained.bundles / name / "rootfs")
    (tmp_path / "bundles" / name).mkdir(parents=True)
    (tmp_path / "bundles" / name / "config.json").write_text(json.dumps(config))
    async with opened(contained, tmp_path / "shared", bundles=tmp_path / "bundles") as gateway:
        seen = await gateway.ran(script("true"))
        assert isinstance(seen, Refused)
        assert "the container could not begin" in seen.reason
        assert "/missing" in seen.reason


async def test_jobs_of_another_user_run_in_containers_without_root(contained: Slurm, tmp_path: Path) -> None:  # noqa: F811
    folder = Path(contained.folder) / f"shared-{uuid.uuid4()}"
    token = tmp_path / "token"
    token.write_text(contained.command("scontrol", "token", "username=nobody", "lifespan=600"))
    settings: dict[str, Any] = {"user": "nobody", "token_file": token, "bundles": contained.bundles}
    async with opened(contained, folder, **settings) as gateway:
        launched = script("echo x >/tmp/file; id -u; exit 3", image=ROOTLESS)
        assert await gateway.ran(launched) == Exited(exit_code=3)
        assert gateway.text(launched.key) == "0\n"
        file = gateway.attempt(launched.key) / "work" / "file"
        assert file.stat().st_uid == pwd.getpwnam("nobody").pw_uid
        await gateway.executor.remove(launched.key.job_id)
        assert await gateway.executor.kept() == []


def test_what_containers_change_is_told(gateway: Gateway) -> None:
    assert gateway.executor.support["dockerImageUrl"] == FeatureSupport.ENFORCED
    assert "in a container of Slurm's" in gateway.executor.isolation


def lives(gateway: Gateway, launched: Launch) -> bool:
    """Whether any process has the attempt's folders mounted."""
    attempt = str(gateway.attempt(launched.key)).encode()
    return any(attempt in _read(path) for path in Path("/proc").glob("[0-9]*/mountinfo"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
