"""What must hold of keys before the gateway serves: the first key, open addresses, shared hosts."""

import logging
import os
from datetime import datetime
from pathlib import Path

from gateway.domain.house import House
from gateway.domain.keys import new_key, organizations, record_of
from gateway.domain.ports import JobWriter
from gateway.domain.record import AuditEntry, KeyRecord
from gateway.domain.words import Role
from gateway.listener import Listener
from gateway.refusal import Refusal
from gateway.settings import Settings

log = logging.getLogger(__name__)

SHARING = ("none", "slurm")
"""How the isolation begins of executors that run all jobs as one user, on hosts that they share."""
_BOOTSTRAP = "bootstrap"
"""Name of the first key."""


async def prepare_keys(house: House, settings: Settings, listener: Listener) -> None:
    """Take the first key over from its file and check the rest. Raises Refusal."""
    if settings.bootstrap_key_file:
        await _bootstrap(house, settings.bootstrap_key_file)
    if not await house.store.read(lambda store: store.has_keys()):
        if not listener.is_loopback:
            raise Refusal(
                f"setting HOST: {listener.host} can be reached from other machines, and there is no API key; "
                f"make one with `gateway keys create`, or set BOOTSTRAP_KEY_FILE"
            )
        log.warning("no API keys: serving loopback only as anonymous admin; any local user can use it")
    await check_keys(house, settings)


async def check_keys(house: House, settings: Settings) -> None:
    """Check what the keys mean for this host. Raises Refusal."""
    keys = await house.store.read(lambda store: store.keys())
    check_shared_host(house.executor.isolation, keys, settings, house.clock.now())
    if house.executor.isolation == "none":
        log.warning(
            "isolation none: whoever may start jobs has the rights of user %s on this host",
            settings.job_user or os.geteuid(),
        )


def check_shared_host(isolation: str, keys: list[KeyRecord], settings: Settings, now: datetime) -> None:
    """Raise Refusal when organizations would share hosts, and their jobs a user."""
    names = sorted(organizations(keys, now))
    if isolation.startswith(SHARING) and len(names) > 1 and not settings.shared_host_jobs:
        raise Refusal(
            f"setting SHARED_HOST_JOBS: there are keys of the organizations {', '.join(names)}, "
            f"and jobs of one could read those of another; say true to allow that"
        )


async def _bootstrap(house: House, path: Path) -> None:
    if await house.store.read(lambda store: store.has_keys()):
        return
    now = house.clock.now()
    text = _read_or_write(path, now)
    try:
        key = record_of(text, name=_BOOTSTRAP, role=Role.ADMIN, now=now)
    except ValueError as error:
        raise Refusal(f"setting BOOTSTRAP_KEY_FILE: {path}: {error}") from None

    def insert(store: JobWriter) -> None:
        # `gateway keys create` may have been quicker.
        if not store.has_keys():
            store.insert_key(key)
            store.audit(key_entry("key.created", key, actor="gateway", at=now))

    await house.store.write(insert)
    log.info("the first API key, %s, is that of %s", key.id, path)


def _read_or_write(path: Path, now: datetime) -> str:
    try:
        try:
            # The file comes first: a start that ends here reads it the next time.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text("utf-8").strip()
        text, _ = new_key(name=_BOOTSTRAP, role=Role.ADMIN, now=now)
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
        return text
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"setting BOOTSTRAP_KEY_FILE: {path}: {error}") from None


def key_entry(action: str, key: KeyRecord, *, actor: str, at: datetime) -> AuditEntry:
    """The entry of the audit table about a key."""
    return AuditEntry(
        at=at,
        actor=actor,
        action=action,
        subject=key.id,
        organization_id=key.organization_id,
        detail=f"{key.name} ({key.role})",
    )
