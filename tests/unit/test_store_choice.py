"""Which store a gateway gets."""

import sys
from pathlib import Path

import pytest

from gateway.data_folder import DataFolder
from gateway.refusal import Refusal
from gateway.settings import read_settings
from gateway.store_choice import SharedStore, build_store
from gateway.stores.sqlite import SqliteJobStore


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def test_without_the_setting_it_is_a_file_in_the_data_folder(folder: DataFolder) -> None:
    assert isinstance(build_store(read_settings({}), folder), SqliteJobStore)


def test_with_an_address_it_is_a_database_that_others_share(folder: DataFolder) -> None:
    store = build_store(read_settings({"store": "postgresql://u:hunter2@db:5433/jobs"}), folder)
    assert isinstance(store, SharedStore)
    assert store.name == "postgresql://db:5433/jobs"


def test_without_the_driver_it_is_said_what_to_install(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("gateway.stores.postgres", "psycopg"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Refusal, match=r"pip install 'jobs-gateway\[postgres\]'"):
        build_store(read_settings({"store": "postgresql://db/jobs"}), folder)


def test_settings_do_not_show_the_address() -> None:
    assert "hunter2" not in repr(read_settings({"store": "postgresql://u:hunter2@db/jobs"}))
