"""Chooses the store, where attachments lie, the clock and the vault, and opens what must be opened."""

from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from gateway.clock import SystemClock
from gateway.data_folder import DataFolder
from gateway.domain.attachment_files import AttachmentFiles
from gateway.domain.ports import Clock, Exchange, JobStore
from gateway.refusal import Refusal
from gateway.settings import Settings
from gateway.stores import sqlite
from gateway.stores.attachment_folder import AttachmentFolder
from gateway.stores.errors import StoreError
from gateway.stores.sql_files import migrations
from gateway.stores.sqlite_file import SqliteFile
from gateway.vault import FileVault, KeyFileError


@runtime_checkable
class SharedStore(JobStore, Protocol):
    """A store on which many gateways work, and what they share beside it."""

    name: str
    """Its address without secrets."""
    clock: Clock
    """The clock that all of them go by."""
    attachments: AttachmentFiles
    """Where attachments lie."""
    exchange: Exchange
    """The way to the others."""


def build_store(settings: Settings, folder: DataFolder) -> JobStore:
    """The store, not open yet: the database of the setting STORE, else a file in the data folder.

    Raises Refusal when the setting cannot be obeyed.
    """
    if settings.store is None:
        return sqlite.SqliteJobStore(folder.path)
    try:
        store: JobStore = with_driver("gateway.stores.postgres").PostgresJobStore(
            settings.store.get_secret_value()
        )
    except StoreError as error:
        raise Refusal(f"setting STORE: {error}") from None
    return store


def with_driver(module: str) -> Any:
    """A module that needs PostgreSQL's driver, which not every gateway has. Raises Refusal."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise Refusal("PostgreSQL needs a driver: pip install 'jobs-gateway[postgres]'") from None


def migrate_store(settings: Settings, folder: DataFolder) -> tuple[str, int, int]:
    """Bring the schema of the store up to date: its name, the version before and after. Raises Refusal."""
    try:
        if settings.store is not None:
            schema = with_driver("gateway.stores.postgres_schema")
            name, before, after = schema.migrate_address(settings.store.get_secret_value())
            return name, before, after
        file, steps = SqliteFile(folder.database), migrations(sqlite.SQL_FOLDER)
        before = file.version()
        file.prepare(steps)
    except StoreError as error:
        raise Refusal(str(error)) from None
    return str(file.path), before, len(steps)


async def open_store(store: JobStore) -> None:
    """Open a store. Raises Refusal when it cannot be opened."""
    try:
        await store.open()
    except StoreError as error:
        raise Refusal(str(error)) from None


def build_attachments(store: JobStore, folder: DataFolder) -> AttachmentFiles:
    """Where attachments lie: with the jobs, if other gateways must have them, too."""
    return store.attachments if isinstance(store, SharedStore) else AttachmentFolder(folder.attachments)


def exchange_of(store: JobStore) -> Exchange | None:
    """The way to the other gateways on a store; None when there can be none."""
    return store.exchange if isinstance(store, SharedStore) else None


def clock_of(store: JobStore) -> Clock:
    """The clock that all gateways on a store go by."""
    return store.clock if isinstance(store, SharedStore) else SystemClock()


def open_vault(settings: Settings, folder: DataFolder) -> FileVault:
    """The vault, with the key that the operator named or with that of the data folder. Raises Refusal."""
    try:
        # A key file that the operator named is never made: a mistyped name would make a second key.
        return FileVault(settings.secret_key_file or folder.secret_key, make=settings.secret_key_file is None)
    except KeyFileError as error:
        raise Refusal(str(error)) from None


async def check_vault(store: JobStore, vault: FileVault) -> None:
    """Raise Refusal when gateways on one database would seal with different keys: none could read the
    secrets, nor know the tokens, of the other.
    """
    if not isinstance(store, SharedStore):
        return
    first = await store.write(lambda tx: tx.setting("vault_key", lambda: vault.key_id))
    if first != vault.key_id:
        raise Refusal(
            f"setting SECRET_KEY_FILE: {store.name} has secrets of another key ({first.hex()}, "
            f"not {vault.key_id.hex()}); give all its gateways the same key file"
        )
