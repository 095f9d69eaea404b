"""The data folder: closed to others, held by one gateway."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.data_folder import DataFolder
from gateway.refusal import Refusal


@pytest.fixture(autouse=True)
def _umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_its_files_are_closed_to_others(tmp_path):
    folder = DataFolder(tmp_path / "a" / "data")
    folder.make()
    folder.lock()
    folder.tell_address("http://127.0.0.1:1")
    folder.database.touch()
    assert mode_of(folder.path) == 0o700
    assert {mode_of(file) for file in folder.path.iterdir()} == {0o600}
    folder.release()


def test_an_empty_folder_is_closed_to_others(tmp_path):
    tmp_path.chmod(0o755)
    DataFolder(tmp_path).make()
    assert mode_of(tmp_path) == 0o700


def test_a_data_folder_that_was_opened_is_closed_again(tmp_path):
    (tmp_path / "gateway.db").touch()
    tmp_path.chmod(0o777)
    DataFolder(tmp_path).make()
    assert mode_of(tmp_path) == 0o700


def test_a_folder_of_somebody_elses_files_is_left_alone(tmp_path):
    (tmp_path / "diary.txt").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(Refusal, match="holds other files and is open to other users"):
        DataFolder(tmp_path).make()
    assert mode_of(tmp_path) == 0o755


def test_the_group_of_jobs_may_pass_through(tmp_path):
    group = tmp_path.stat().st_gid
    DataFolder(tmp_path).make(passing_group=group)
    assert mode_of(tmp_path) == 0o710
    DataFolder(tmp_path).make(passing_group=group)
    assert mode_of(tmp_path) == 0o710


def test_a_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Refusal, match=r"data folder .*file/data: Not a directory"):
        DataFolder(tmp_path / "file" / "data").make()


def test_one_gateway_holds_the_folder_and_the_next_is_told_which(tmp_path):
    holder = DataFolder(tmp_path)
    holder.make()
    holder.lock()
    with pytest.raises(Refusal, match=rf"is in use by another gateway \(process {os.getpid()}\)"):
        DataFolder(tmp_path).lock()
    holder.release()
    after = DataFolder(tmp_path)
    after.lock()
    after.release()


def test_children_do_not_keep_the_lock(tmp_path):
    holder = DataFolder(tmp_path)
    holder.make()
    holder.lock()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    holder.release()
    try:
        # The kernel lets a parent go on a moment before the child has closed what it must not keep.
        after = DataFolder(tmp_path)
        deadline = time.monotonic() + 30
        while True:
            try:
                after.lock()
                break
            except Refusal:
                assert time.monotonic() < deadline, "the child keeps the lock"
        after.release()
        assert child.poll() is None
    finally:
        child.communicate(b"\n")


def test_the_address_is_told_while_the_folder_is_held(tmp_path):
    folder = DataFolder(tmp_path)
    folder.make()
    folder.lock()
    folder.tell_address("http://127.0.0.1:4711")
    assert (tmp_path / "address").read_text() == "http://127.0.0.1:4711\n"
    folder.release()
    assert not (tmp_path / "address").exists()
