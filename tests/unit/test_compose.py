"""compose.yaml agrees with the gateway, the image and haproxy.cfg; nothing here needs Docker."""

import re

import pytest

from gateway import __version__
from gateway.domain.queries import WaitQuery
from gateway.settings import Settings
from tests.container_files import COMPOSE, HERE, OURS, PINNED, SERVICES, VARIABLES, check_command


def test_there_are_two_gateways_two_workers_and_one_address() -> None:
    commands = [tuple(SERVICES[name]["command"]) for name in OURS]
    assert sorted(commands) == sorted([("serve", "--no-work")] * 2 + [("work",)] * 2 + [("migrate",)])
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["front"]


def test_every_image_is_pinned_and_ours_has_the_gateways_version() -> None:
    for name, service in SERVICES.items():
        assert PINNED.fullmatch(service["image"]), name
    assert {SERVICES[name]["image"] for name in OURS} == {f"jobs-gateway:{__version__}"}


@pytest.mark.parametrize("name", OURS)
def test_its_variables_are_settings_that_can_be_read(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert environment.keys() <= VARIABLES
    given = {key[8:].lower(): interpolated(value) for key, value in environment.items()}
    given.pop("config")
    Settings(**{key: value for key, value in given.items() if value})


@pytest.mark.parametrize(
    "command",
    [["serve", "--no-work"], ["work"], ["migrate"]],
    ids=" ".join,
)
def test_its_commands_are_those_of_the_gateway(command: list[str]) -> None:
    assert command in [SERVICES[name]["command"] for name in OURS]
    check_command(command)


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_no_rights_bounded_resources_and_bounded_logs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & service.keys()
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))


def test_only_the_address_in_front_reaches_out() -> None:
    outside = {name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")}
    assert outside == {"outside"}
    assert [name for name, service in SERVICES.items() if "outside" in service["networks"]] == ["front"]


def test_gateways_trust_the_address_in_front_and_nobody_else() -> None:
    front = SERVICES["front"]["networks"]["doors"]["ipv4_address"]
    for name in OURS:
        if SERVICES[name]["command"][0] == "serve":
            assert SERVICES[name]["environment"]["GATEWAY_TRUSTED_PROXIES"] == front
            assert "front" in SERVICES[name]["environment"]["GATEWAY_ALLOWED_HOSTS"].split(",")


def test_nothing_starts_before_what_it_needs() -> None:
    migrated = {
        "postgres": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }
    for name in OURS:
        expected = migrated if name != "migrate" else {"postgres": migrated["postgres"]}
        assert SERVICES[name]["depends_on"] == expected
    doors = [name for name in OURS if SERVICES[name]["command"][0] == "serve"]
    assert SERVICES["front"]["depends_on"] == {name: {"condition": "service_healthy"} for name in doors}


def test_no_two_nodes_share_a_data_folder() -> None:
    nodes = [name for name in OURS if name != "migrate"]
    folders = [volume for name in nodes for volume in SERVICES[name]["volumes"] if volume.endswith(":/data")]
    assert len(set(folders)) == len(nodes) == 4


def test_whatever_a_service_names_is_declared() -> None:
    for service in SERVICES.values():
        assert set(service["networks"]) <= COMPOSE["networks"].keys()
        assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys()
        assert set(service.get("depends_on", ())) <= SERVICES.keys()
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (HERE / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]
    text = (HERE / "haproxy.cfg").read_text("utf-8")
    for variable in set(re.findall(r'"\$\{(\w+)\}"', text)):
        assert variable in SERVICES["front"]["environment"]


def test_it_waits_longer_than_the_longest_wait() -> None:
    text = (HERE / "haproxy.cfg").read_text("utf-8")
    seconds = {name: int(number) for name, number in re.findall(r"timeout (\S+) +([0-9]+)s", text)}
    wait = WaitQuery.model_json_schema()["properties"]["timeoutSeconds"]["maximum"]
    assert min(seconds["client"], seconds["server"]) > wait
    hard_stop = int(re.search(r"hard-stop-after ([0-9]+)s", text)[1])  # type: ignore[index]
    grace = int(SERVICES["front"]["stop_grace_period"].removesuffix("s"))
    assert wait < hard_stop < grace


def interpolated(value: str) -> str:
    """A value as Compose reads it where nothing is set."""
    return re.sub(r"\$\{\w+(?::-([^}]*))?\}", lambda found: found[1] or "", value)
