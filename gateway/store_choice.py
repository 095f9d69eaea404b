"""Chooses the store, where attachments lie, the clock and the vault, and opens what must be opened."""

from gateway.clock import SystemClock
from gateway.data_folder import DataFolder
from gateway.domain.attachment_files import AttachmentFiles
from gateway.domain.ports import Clock, JobStore
from gateway.refusal import Refusal
from gateway.settings import Settings
from gateway.stores import postgres, sqlite
from gateway.stores.attachment_folder import AttachmentFolder
from gateway.stores.errors import StoreError
from gateway.stores.postgres import PostgresJobStore
from gateway.stores.postgres_connection import Connector
from gateway.stores.postgres_schema import migrate
from gateway.stores.sql_files import migrations
from gateway.stores.sqlite import SqliteJobStore
from gateway.stores.sqlite_file import SqliteFile
from gateway.vault import FileVault, KeyFileError


def build_store(settings: Settings, folder: DataFolder) -> JobStore:
    """The store, not open yet: the database of the setting STORE, else a file in the data folder.

    Raises Refusal when the setting cannot be read.
    """
    if settings.store is None:
        return SqliteJobStore(folder.path)
    try:
        return PostgresJobStore(settings.store.get_secret_value())
    except StoreError as error:
        raise Refusal(f"setting STORE: {error}") from None


def migrate_store(settings: Settings, folder: DataFolder) -> tuple[str, int, int]:
    """Bring the schema of the store up to date: its name, the version before and after. Raises Refusal."""
    try:
        if settings.store is not None:
            connector = Connector(settings.store.get_secret_value())
            return connector.name, *migrate(connector, migrations(postgres.SQL_FOLDER))
        file = SqliteFile(folder.database)
        before, steps = file.version(), migrations(sqlite.SQL_FOLDER)
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
    """Where attachments lie: beside the jobs, so that every gateway on the store has them."""
    if isinstance(store, PostgresJobStore):
        return store.attachments
    return AttachmentFolder(folder.attachments)


def clock_of(store: JobStore) -> Clock:
    """The clock that all gateways on a store go by."""
    return store.clock if isinstance(store, PostgresJobStore) else SystemClock()


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
    if not isinstance(store, PostgresJobStore):
        return
    first = await store.write(lambda tx: tx.setting("vault_key", lambda: vault.key_id))
    if first != vault.key_id:
        raise Refusal(
            f"setting SECRET_KEY_FILE: {store.name} has secrets of another key ({first.hex()}, "
            f"not {vault.key_id.hex()}); give all its gateways the same key file"
        )
