"""OCI bundles of images, and the bundle that an attempt gets of its own.

Slurm pulls no images. The operator lays a bundle of each into one folder: a folder with config.json and the
root file system. Its name is the image's as the job says it, with `+` for each `/`, which no image has in its
name: the bundle of `registry.example.org:5000/team/app:1.2` is `registry.example.org:5000+team+app:1.2`.
Nothing is added to a name: `app` and `app:latest` are two, unless a link makes them one.

Each attempt has a bundle of its own, made from that of its image: see `attempt_bundle`.
"""

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.domain.executor import StartRefused

TMP = "/tmp"  # noqa: S108
"""Where a container sees the working folder of its attempt. Every image has it."""
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]*")
"""What names of images are made of. It keeps paths, and Slurm's shell, from anything else."""
_LONGEST = 255
"""Bytes in the name of a folder."""
_OWN_SPACES = ("pid", "mount")
_NOTE = 'cat >"$1/container.new" && mv "$1/container.new" "$1/container"'
"""Keeps what a runtime tells its hooks: the container's state, with the process id."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The bundle of an image."""

    root: Path
    """Its root file system."""
    content: Mapping[str, str | None]
    """What is at the top of that: names, and what they link to, if they are links."""
    config: Mapping[str, Any]
    """What its config.json says."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the image sets."""
        pairs = (str(line).partition("=") for line in self.config["process"].get("env") or ())
        return {name: value for name, _, value in pairs if name}


@dataclass(frozen=True, kw_only=True)
class AttemptBundle:
    """What is written for the container of one attempt. No secret is in it."""

    config: bytes
    """Its config.json."""
    links: Mapping[str, str]
    """Links at the top of its root, and what they link to."""


class Bundles:
    """The folder of all bundles."""

    def __init__(self, folder: Path) -> None:
        """Raises ValueError, which begins with the setting's name."""
        if not folder.is_absolute() or re.search(r"[%\\\x00-\x1f]", str(folder)):
            raise ValueError("SLURM_BUNDLES: must be an absolute path without % and \\")
        self.folder = folder

    def check(self) -> None:
        """See whether the folder can be read. Raises OSError."""
        os.listdir(self.folder)

    def find(self, image: str) -> Bundle:
        """The bundle of an image. Raises StartRefused."""
        folder = self.folder / self._name(image)
        path = folder / "config.json"
        try:
            config = _checked(json.loads(path.read_bytes()))
            path = root = folder / config["root"]["path"]
            content = {entry.name: _link(entry) for entry in os.scandir(root)}
            return Bundle(root=root, content=content, config=config)
        except FileNotFoundError:
            raise StartRefused(
                f"there is no bundle of the image {image!r}: {path} does not exist", passing=False
            ) from None
        except OSError as error:
            reason = f"the bundle of the image {image!r} cannot be read: {path}: {error.strerror}"
            raise StartRefused(reason, passing=True) from None
        except ValueError as error:
            reason = f"the bundle of the image {image!r} is not good: {path}: {error}"
            raise StartRefused(reason, passing=False) from None

    def _name(self, image: str) -> str:
        name = image.replace("/", "+")
        if not _IMAGE.fullmatch(image) or len(name) > _LONGEST:
            raise StartRefused(f"the image {image!r} has no name that a bundle could have", passing=False)
        return name


def attempt_bundle(bundle: Bundle, folder: str) -> AttemptBundle:
    """The bundle of the attempt in a folder.

    Of the image's config.json it keeps all but this: the root is a folder of the attempt's own, into which
    all that is in the image's is mounted, read-only (Slurm 22.05 insists on a folder `rootfs` in the bundle,
    and runtimes on no link); /tmp is the attempt's working folder; its namespaces of mounts and of processes
    are its own, so that the node sees none of the mounts, and the end of the first process is the end of all;
    a hook notes when the container runs, and its process id; the environment comes from Slurm alone.
    """
    config = dict(bundle.config)
    config["root"] = {"path": "rootfs", "readonly": True}
    config["process"] = config["process"] | {"env": [], "terminal": False}
    mounts = [one for one in config.get("mounts") or () if one.get("destination") != TMP]
    taken = {TMP, *(one.get("destination") for one in mounts)}
    image = [
        _bind(f"/{name}", str(bundle.root / name), "ro")
        for name, link in bundle.content.items()
        if link is None and f"/{name}" not in taken
    ]
    config["mounts"] = [*image, *mounts, _bind(TMP, f"{folder}/work", "rw")]
    linux = config.get("linux") or {}
    spaces = [one for one in linux.get("namespaces") or () if one.get("type") not in _OWN_SPACES]
    config["linux"] = linux | {"namespaces": [*spaces, *({"type": kind} for kind in _OWN_SPACES)]}
    hooks = config.get("hooks") or {}
    note = {"path": "/bin/sh", "args": ["sh", "-c", _NOTE, "sh", folder]}
    config["hooks"] = hooks | {"poststart": [*(hooks.get("poststart") or ()), note]}
    links = {name: link for name, link in bundle.content.items() if link is not None}
    return AttemptBundle(config=json.dumps(config).encode(), links=links)


def _bind(place: str, source: str, how: str) -> dict[str, Any]:
    return {
        "destination": place,
        "type": "bind",
        "source": source,
        "options": ["rbind", how, "nosuid", "nodev"],
    }


def step_words(folder: str, loaders: Mapping[str, str]) -> str:
    """The words with which the script has Slurm run a command in the attempt's container.

    `loaders`: variables that are for the container alone. All others are srun's, which hands on what it has.

    Slurm lets a node write a step's output itself when the file's name holds the task's number, which is 0;
    the folder `0` is the attempt's own.
    """
    quoted = shlex.quote(folder)
    export = shlex.quote(",".join(["ALL", *(f"{name}={value}" for name, value in loaders.items())]))
    return (
        '"$attempt_srun" --nodes=1 --ntasks=1 --cpus-per-task="${SLURM_CPUS_ON_NODE:-1}" --mpi=none'
        f" --export={export} --input=none --open-mode=append"
        f" --output={quoted}/%t/stdout --error={quoted}/%t/stderr --container={quoted}/bundle --"
    )


def _link(entry: os.DirEntry[str]) -> str | None:
    return os.readlink(entry) if entry.is_symlink() else None


def _checked(config: Any) -> Mapping[str, Any]:
    """What is needed of a config.json. Raises ValueError."""
    match config:
        case {"root": {"path": str()}, "process": {}}:
            kinds = {"mounts": list, "linux": dict, "hooks": dict}
            if all(isinstance(config.get(name) or kind(), kind) for name, kind in kinds.items()):
                return config  # type: ignore[no-any-return]
    raise ValueError("it is no configuration of a container")
