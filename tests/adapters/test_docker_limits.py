"""What containers may use and see, on a real dockerd; each cell of the table of fields is true there."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.executor import Exited, Mount, Resources, StartRefused
from gateway.domain.words import FeatureSupport
from gateway.executors.docker_container import Rules, body_of, name_of
from gateway.executors.docker_support import SUPPORT, support_of
from gateway.executors.process_support import SUPPORT as PROCESS_SUPPORT
from tests.adapters import podman_differences
from tests.adapters.docker_gateway import MIB, Gateway, gateway, launch, script
from tests.engine_stand import EngineStand


def test_every_field_has_a_cell_and_one_that_an_engine_cannot_enforce_says_so() -> None:
    assert SUPPORT.keys() == PROCESS_SUPPORT.keys()
    recorded = {name for name, support in SUPPORT.items() if support is not FeatureSupport.ENFORCED}
    assert recorded == {"inputUri", "attachments", "memoryRequest", "cpuRequest"}
    without_root = support_of({"MemoryLimit": False, "CpuCfsQuota": True})
    assert {name for name in SUPPORT if without_root[name] is not SUPPORT[name]} == {"memoryLimit"}
    assert without_root["memoryLimit"] is FeatureSupport.RECORDED


async def test_an_engine_with_cgroups_enforces_all_that_the_table_says(
    docker: EngineStand, tmp_path: Path
) -> None:
    async with gateway(docker, tmp_path) as opened:
        assert opened.executor.support == SUPPORT


async def test_by_default_a_container_can_do_little(engine: EngineStand, tmp_path: Path) -> None:
    look = """
        ls /sys/class/net; grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status
        touch /file 2>/dev/null || echo read-only
        printf '#!/bin/sh\necho executable' > /tmp/file && chmod +x /tmp/file && /tmp/file
    """
    async with gateway(engine, tmp_path) as opened:
        assert (await opened.output_of(script(look))).split() == (
            "lo CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 read-only executable".split()
        )


async def test_the_operator_may_allow_more(docker: EngineStand, tmp_path: Path) -> None:
    rules = {
        "network": "host",
        "user": "65534:7",
        "capabilities": ("CHOWN",),
        "writable_root": True,
        "pids_limit": 50,
    }
    async with gateway(docker, tmp_path, rules=rules) as opened:
        said = await opened.output_of(
            script("id -u; id -g; grep -E '^CapBnd:' /proc/self/status; grep -c : /proc/net/dev")
        )
        user, group, _, bounding, devices = said.split()
        assert (user, group, int(bounding, 16)) == ("65534", "7", 1)
        host = sum(":" in line for line in Path("/proc/net/dev").read_text().splitlines())
        assert int(devices) == host
        forks = script("for i in $(seq 100); do sleep 100 & done; echo all")
        assert (await opened.run(forks)) != opened.succeeded
        assert "all" not in await opened.text(forks.key)
    async with gateway(docker, tmp_path, rules={"writable_root": True}) as opened:
        assert await opened.output_of(script("echo x > /file; cat /file")) == "x\n"


@pytest.mark.not_on_podman(podman_differences.MEMORY)
async def test_out_of_memory_is_told_as_such(engine: EngineStand, tmp_path: Path) -> None:
    async with gateway(engine, tmp_path) as opened:
        greedy = launch("tail", "/dev/zero", resources=Resources(memory_limit_mb=16))
        assert await opened.run(greedy) == Exited(exit_code=137, signal=9, out_of_memory=True)


async def test_where_a_lack_of_memory_is_not_told_nobody_says_that_there_was_enough(
    podman: EngineStand, tmp_path: Path
) -> None:
    async with gateway(podman, tmp_path) as opened:
        greedy = launch("tail", "/dev/zero", resources=Resources(memory_limit_mb=16))
        seen = await opened.run(greedy)
        assert isinstance(seen, Exited)
        # A newer podman may tell.
        assert (seen.exit_code, seen.signal, seen.out_of_memory is False) == (137, 9, False)


async def test_limits_reach_the_engine(engine: EngineStand, tmp_path: Path) -> None:
    async with gateway(engine, tmp_path, keep_seconds=60) as opened:
        limits = Resources(memory_limit_mb=32, cpu_limit=Decimal("0.25"))
        launched = launch("true", resources=limits)
        assert await opened.run(launched) == opened.succeeded
        container = engine.inspect(name_of(launched.key))
        # An image may want another one. podman says the number.
        assert container["Config"]["StopSignal"] in ("SIGTERM", "15")
        config = container["HostConfig"]
        assert (config["Memory"], config["MemorySwap"], config["NanoCpus"]) == (
            32 * MIB,
            32 * MIB,
            250_000_000,
        )
        # Less than kernels can tell apart.
        tiny = launch("true", resources=Resources(cpu_limit=Decimal("0.001")))
        assert await opened.run(tiny) == opened.succeeded
        for key in (launched.key, tiny.key):
            await opened.executor.remove(key.job_id)


def refusals() -> list[Any]:
    """Launches that no engine takes, and what is said of them."""
    return [
        pytest.param(lambda: launch("true", resources=Resources(memory_limit_mb=1)), "memory", id="memory"),
        pytest.param(
            lambda: launch("true", resources=Resources(cpu_limit=Decimal(4096))),
            "CPUs",
            id="cpu",
            marks=pytest.mark.not_on_podman(podman_differences.CPUS),
        ),
        pytest.param(
            lambda: launch("true", image="Not An Image"), "'Not An Image' is not the name", id="bad name"
        ),
        pytest.param(
            lambda: launch("true", image="missing:1"),
            "no image missing:1, and the setting DOCKER_PULL",
            id="no image",
        ),
        pytest.param(
            lambda: launch("true", mounts=(Mount(name="v", source="gone", path="/data"),)),
            "/not/there",
            id="no path",
            marks=pytest.mark.not_on_podman(podman_differences.FOLDERS),
        ),
        pytest.param(
            lambda: launch("true", mounts=(Mount(name="v", source="no-volume", path="/data"),)),
            "Docker has no volume 'no-volume'",
            id="no volume",
        ),
    ]


@pytest.mark.parametrize(("launched", "reason"), refusals())
async def test_what_cannot_be_started_is_refused_with_the_reason(
    engine: EngineStand, tmp_path: Path, launched: Callable[[], Any], reason: str
) -> None:
    sources = {"gone": f"{tmp_path}/not/there", "no-volume": "volume:no-volume"}
    async with gateway(engine, tmp_path, rules={"volumes": sources}) as opened:
        wanted = launched()
        with pytest.raises(StartRefused, match=reason) as refused:
            await opened.executor.start(wanted)
        assert not refused.value.passing
        assert name_of(wanted.key) not in engine.names()


async def test_volumes_are_folders_of_the_host_or_volumes_of_the_engine(
    engine: EngineStand, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("from the host\n")
    (tmp_path / "scratch").mkdir()
    engine.make_volume("shared")
    sources = {"in": str(tmp_path / "in"), "scratch": str(tmp_path / "scratch"), "shared": "volume:shared"}

    def mount(source: str, path: str, *, read_only: bool = False) -> Mount:
        return Mount(name=source, source=source, path=path, read_only=read_only)

    async def output(opened: Gateway, text: str, *mounts: Mount) -> str:
        return await opened.output_of(script(text, mounts=mounts))

    async with gateway(engine, tmp_path / "jobs", rules={"volumes": sources}) as opened:
        read = "cat /in/file; touch /in/new 2>/dev/null || echo read-only; echo 1 > /tmp/mine"
        said = await output(opened, read, mount("in", "/in", read_only=True), mount("scratch", "/tmp"))
        assert said == "from the host\nread-only\n"
        assert (tmp_path / "scratch" / "mine").read_text() == "1\n"
        await output(opened, "echo 2 > /deep/place/file", mount("shared", "/deep/place"))
        assert await output(opened, "cat /v/file", mount("shared", "/v", read_only=True)) == "2\n"


@pytest.mark.parametrize("source", ["claim:x", "relative/path", "volume:", ""])
def test_a_source_that_is_neither_is_refused_at_start(source: str) -> None:
    with pytest.raises(ValueError, match="VOLUMES: in="):
        Rules(volumes={"in": source}, log_bytes=1)


def test_labels_name_job_attempt_organization_and_instance() -> None:
    launched = launch("true")
    assert body_of(launched, Rules(volumes={}, log_bytes=1), "mine")["Labels"] == {
        "jobs-gateway.instance": "mine",
        "jobs-gateway.job": launched.key.job_id,
        "jobs-gateway.attempt": "1",
        "jobs-gateway.organization": "acme",
    }
