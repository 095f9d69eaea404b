"""Chooses the store and the vault, and opens them."""

from gateway.data_folder import DataFolder
from gateway.domain.ports import JobStore
from gateway.refusal import Refusal
from gateway.settings import Settings
from gateway.stores.errors import StoreError
from gateway.stores.sqlite import SqliteJobStore
from gateway.vault import FileVault, KeyFileError


def build_store(settings: Settings, folder: DataFolder) -> JobStore:  # noqa: ARG001
    """The store that the settings name, else that of the data folder; not open yet."""
    return SqliteJobStore(folder.path)


async def open_store(store: JobStore) -> None:
    """Open a store. Raises Refusal when it cannot be opened."""
    try:
        await store.open()
    except StoreError as error:
        raise Refusal(str(error)) from None


def open_vault(settings: Settings, folder: DataFolder) -> FileVault:
    """The vault, with the key that the operator named or with that of the data folder. Raises Refusal."""
    try:
        # A key file that the operator named is never made: a mistyped name would make a second key.
        return FileVault(settings.secret_key_file or folder.secret_key, make=settings.secret_key_file is None)
    except KeyFileError as error:
        raise Refusal(str(error)) from None
