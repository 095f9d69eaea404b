"""`gateway keys`: makes, lists and revokes API keys and their shared secrets, directly in the store, while a
gateway serves or not.
"""

import asyncio
import getpass
import os
import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click
from pydantic import TypeAdapter, ValidationError

from gateway.cli.options import setting_options
from gateway.clock import SystemClock
from gateway.data_folder import DataFolder
from gateway.domain.digests import new_digest_secret, vault_context
from gateway.domain.errors import Conflict
from gateway.domain.keys import DEFAULT_ORGANIZATION, is_valid, new_key
from gateway.domain.ports import JobStore, JobWriter
from gateway.domain.record import KeyRecord
from gateway.domain.scalars import Ident, Instant, Name, instant_text
from gateway.domain.words import Role
from gateway.executors.process import ProcessExecutor
from gateway.key_rules import check_shared_host, key_entry
from gateway.refusal import Refusal
from gateway.settings import Settings
from gateway.store_choice import build_store, open_store, open_vault

T = TypeVar("T")

_DURATION = re.compile(r"([0-9]{1,5})([hd])")


class _Checked(click.ParamType[Any]):
    """Text that a type of the contract accepts."""

    def __init__(self, name: str, adapter: TypeAdapter[Any]) -> None:
        self.name = name
        self._adapter = adapter

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value, or click's error with the type's message."""
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            self.fail(f"{value!r}: {error.errors()[0]['msg']}", param, ctx)


class _Expiry(click.ParamType[datetime]):
    """An instant, or how long from now: 12h, 90d."""

    name = "when"
    _adapter: TypeAdapter[datetime] = TypeAdapter(Instant)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The instant, which lies ahead."""
        now = SystemClock().now()
        if found := _DURATION.fullmatch(value):
            number, unit = found.groups()
            return now + (timedelta(hours=int(number)) if unit == "h" else timedelta(days=int(number)))
        try:
            instant = self._adapter.validate_python(value)
        except ValidationError as error:
            self.fail(f"{value!r}: {error.errors()[0]['msg']}, or a time from now such as 90d", param, ctx)
        if instant <= now:
            self.fail(f"{value!r}: must lie ahead", param, ctx)
        return instant


@click.group("keys")
def keys_group() -> None:
    """Make, list and revoke API keys."""


@keys_group.command("create")
@click.option(
    "--name",
    required=True,
    type=_Checked("name", TypeAdapter(Name)),
    show_envvar=True,
    help="Who the key is for; unique in its organization, shown as the user of jobs.",
)
@click.option(
    "--role",
    required=True,
    type=click.Choice([role.value for role in Role]),
    show_envvar=True,
    help="What the key may do.",
)
@click.option(
    "--organization",
    default=DEFAULT_ORGANIZATION,
    show_default=True,
    type=_Checked("id", TypeAdapter(Ident)),
    show_envvar=True,
    help="The organization that the key belongs to.",
)
@click.option(
    "--expires",
    type=_Expiry(),
    show_envvar=True,
    help="When the key stops: an instant, or a time from now such as 12h or 90d. Never without it.",
)
@setting_options("data", "executor", "shared_host_jobs")
def create(settings: Settings, name: str, role: str, organization: str, expires: datetime | None) -> None:
    """Make a key and print it. It is shown this once and kept nowhere."""
    now = SystemClock().now()
    text, key = new_key(
        name=name, role=Role[role.upper()], now=now, organization_id=organization, expires_at=expires
    )

    def insert(store: JobWriter) -> None:
        if settings.executor == ProcessExecutor.name:
            check_shared_host(ProcessExecutor.isolation, [*store.keys(), key], settings, now)
        store.insert_key(key)
        store.audit(key_entry("key.created", key, actor=_actor(), at=now))

    async def work(store: JobStore) -> None:
        try:
            await store.write(insert)
        except Conflict as error:
            raise click.ClickException(error.reason) from None

    folder = DataFolder(settings.data)
    folder.make()
    _with_store(folder, work)
    click.echo(text)


@keys_group.command("list")
@setting_options("data")
def list_keys(settings: Settings) -> None:
    """List all keys ever made, oldest first."""

    async def work(store: JobStore) -> list[KeyRecord]:
        return await store.read(lambda reader: reader.keys())

    keys = _with_store(_existing(settings), work)
    now = SystemClock().now()
    rows: list[tuple[str, ...]] = [
        ("ID", "NAME", "ROLE", "ORGANIZATION", "CREATED", "EXPIRES", "LAST USED", "STATE")
    ]
    rows += [_row(key, now) for key in keys]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@keys_group.command("revoke")
@click.argument("id")
@setting_options("data")
def revoke(settings: Settings, id: str) -> None:
    """Revoke the key of this ID. A gateway that serves refuses it within 5 seconds."""
    now = SystemClock().now()

    def save(store: JobWriter) -> str:
        key = _found(store, id)
        if key.revoked_at is not None:
            return f"key {id} ({key.name}) was revoked at {instant_text(key.revoked_at)} already"
        store.save_key(replace(key, revoked_at=now))
        store.digests.save_secret(id, None)
        store.audit(key_entry("key.revoked", key, actor=_actor(), at=now))
        return f"key {id} ({key.name}) is revoked"

    async def work(store: JobStore) -> str:
        return await store.write(save)

    click.echo(_with_store(_existing(settings), work))


@keys_group.command("digest")
@click.argument("id")
@click.option("--remove", is_flag=True, help="Take the shared secret away instead of making one.")
@setting_options("data", "secret_key_file")
def digest(settings: Settings, id: str, remove: bool) -> None:
    """Make a shared secret for the key of this ID and print it, for clients that sign in over SOAP with a
    WS-Security password digest: ID is their user name, the secret their password. It takes the place of the
    one before; the key itself goes on as it is.
    """
    now = SystemClock().now()
    folder = _existing(settings)
    secret = new_digest_secret()
    sealed = None if remove else open_vault(settings, folder).seal(secret, context=vault_context(id))

    def save(store: JobWriter) -> None:
        key = _found(store, id)
        if not is_valid(key, now):
            raise click.ClickException(f"key {id} ({key.name}) is no longer valid")
        store.digests.save_secret(id, sealed)
        action = "key.digest_removed" if remove else "key.digest_made"
        store.audit(key_entry(action, key, actor=_actor(), at=now))

    async def work(store: JobStore) -> None:
        await store.write(save)

    _with_store(folder, work)
    click.echo(f"key {id} has no shared secret any more" if remove else secret)


def _found(store: JobWriter, id: str) -> KeyRecord:
    key = store.key(id)
    if key is None:
        raise click.ClickException(f"there is no key {id}; `gateway keys list` shows all")
    return key


def _existing(settings: Settings) -> DataFolder:
    folder = DataFolder(settings.data)
    if not folder.exists():
        raise Refusal(f"data folder {folder.path}: no gateway has kept anything there; see --data")
    return folder


def _with_store(folder: DataFolder, work: Callable[[JobStore], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        store = build_store(folder)
        await open_store(store)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _actor() -> str:
    try:
        return f"local:{getpass.getuser()}"
    except (KeyError, OSError):
        # Containers run users that have no name.
        return f"local:{os.geteuid()}"


def _row(key: KeyRecord, now: datetime) -> tuple[str, ...]:
    state = "revoked" if key.revoked_at else "valid" if is_valid(key, now) else "expired"
    instants = (key.created_at, key.expires_at, key.last_used_at)
    told = (instant_text(instant) if instant else "-" for instant in instants)
    return (key.id, key.name, key.role.value, key.organization_id, *told, state)
