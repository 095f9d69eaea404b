"""Chooses the store and opens it."""

from gateway.data_folder import DataFolder
from gateway.domain.ports import JobStore
from gateway.refusal import Refusal
from gateway.stores.errors import StoreError
from gateway.stores.sqlite import SqliteJobStore


def build_store(folder: DataFolder) -> JobStore:
    """The store of a data folder, not open yet."""
    return SqliteJobStore(folder.path)


async def open_store(store: JobStore) -> None:
    """Open a store. Raises Refusal when it cannot be opened."""
    try:
        await store.open()
    except StoreError as error:
        raise Refusal(str(error)) from None
