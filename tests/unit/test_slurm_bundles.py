"""Which folder is an image's bundle, and what an attempt's own bundle is made of."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.executor import StartRefused
from gateway.executors.slurm_bundles import Bundle, Bundles, attempt_bundle

PLAIN: dict[str, Any] = {"root": {"path": "rootfs"}, "process": {"args": ["sh"]}}


def lay(folder: Path, config: Any = PLAIN) -> Path:
    """Make a bundle."""
    (folder / "rootfs").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def own_config(config: Any, **content: str | None) -> Any:
    """What an attempt gets of a config.json."""
    bundle = Bundle(root=Path("/image"), content=content, config=config)
    return json.loads(attempt_bundle(bundle, "/shared/j/1").config)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("app", "app"),
        ("app:latest", "app:latest"),
        ("registry.example.org:5000/team/app:1.2", "registry.example.org:5000+team+app:1.2"),
        ("team/app@sha256:0123", "team+app@sha256:0123"),
    ],
)
def test_the_bundle_of_an_image_is_called_like_it(tmp_path: Path, image: str, name: str) -> None:
    lay(tmp_path / name)
    assert Bundles(tmp_path).find(image).root == tmp_path / name / "rootfs"


def test_a_bundle_may_be_a_link(tmp_path: Path) -> None:
    lay(tmp_path / "app:1")
    (tmp_path / "app").symlink_to("app:1")
    assert Bundles(tmp_path).find("app").config == PLAIN


@pytest.mark.parametrize("image", ["..", ".", "../bundles/app", "a+b", "app ", "", "app\n"])
def test_no_other_text_leads_to_a_bundle(tmp_path: Path, image: str) -> None:
    """Although there are bundles where it would lead, if it were taken for a path or a folder's name."""
    for place in ("", "bundles", "bundles/a+b", "bundles/app ", "bundles/app\n", "bundles/..+bundles+app"):
        lay(tmp_path / place)
    with pytest.raises(StartRefused, match=r"bundle") as refused:
        Bundles(tmp_path / "bundles").find(image)
    assert not refused.value.passing


def test_what_is_in_the_image_is_mounted_read_only_and_links_are_made_again() -> None:
    bundle = Bundle(root=Path("/image"), content={"usr": None, "bin": "usr/bin", "proc": None}, config=PLAIN)
    made = attempt_bundle(bundle, "/shared/j/1")
    config = json.loads(made.config)
    assert made.links == {"bin": "usr/bin"}
    assert config["root"] == {"path": "rootfs", "readonly": True}
    places = {mount["destination"]: mount for mount in config["mounts"]}
    assert places.keys() == {"/usr", "/proc", "/tmp"}
    assert places["/usr"]["source"] == "/image/usr"
    assert {"rbind", "ro"} <= set(places["/usr"]["options"])
    assert places["/tmp"]["source"] == "/shared/j/1/work"
    assert "ro" not in places["/tmp"]["options"]


def test_mounts_of_the_bundle_come_after_the_image_s_and_before_the_working_folder() -> None:
    proc = {"destination": "/proc", "type": "proc", "source": "proc"}
    hosts = {"destination": "/etc/hosts", "type": "bind", "source": "/etc/hosts"}
    config = PLAIN | {"mounts": [proc, {"destination": "/tmp", "type": "tmpfs"}, hosts]}
    mounts = own_config(config, proc=None, etc=None, tmp=None)["mounts"]
    assert [mount["destination"] for mount in mounts] == ["/etc", "/proc", "/etc/hosts", "/tmp"]
    assert mounts[1:3] == [proc, hosts]
    assert mounts[3]["type"] == "bind"


@pytest.mark.parametrize(
    "spaces", [[], [{"type": "pid", "path": "/proc/1/ns/pid"}, {"type": "mount", "path": "/proc/1/ns/mnt"}]]
)
def test_a_container_always_has_its_own_processes_and_mounts(spaces: list[dict[str, str]]) -> None:
    kept = {"type": "uts"}
    made = own_config(PLAIN | {"linux": {"namespaces": [*spaces, kept], "maskedPaths": ["/x"]}})
    assert made["linux"] == {"namespaces": [kept, {"type": "pid"}, {"type": "mount"}], "maskedPaths": ["/x"]}


def test_the_rest_of_the_bundle_is_kept() -> None:
    process = {"args": ["sh"], "env": ["A=b=c"], "cwd": "/srv", "user": {"uid": 5}, "terminal": True}
    hook = {"path": "/bin/true"}
    config = {"root": {"path": "rootfs"}, "process": process, "hostname": "h", "hooks": {"poststart": [hook]}}
    made = own_config(config)
    assert made["process"] == process | {"env": [], "terminal": False}
    assert made["hostname"] == "h"
    assert made["hooks"]["poststart"][0] == hook
    assert made["hooks"]["poststart"][1]["args"][-1] == "/shared/j/1"
    assert Bundle(root=Path("/image"), content={}, config=config).environment == {"A": "b=c"}
