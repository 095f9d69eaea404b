"""The vault's and the sealer's promises."""

import stat
import threading
from pathlib import Path

import pytest

from gateway.domain.ports import Sealer, Vault, VaultError
from gateway.domain.tokens import attempt_of
from gateway.vault import FileVault, KeyFileError, StoreSealer

JOB = "019ab6f0-0000-7000-8000-000000000001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secret.key"


@pytest.fixture
def vault(path: Path) -> Vault:
    return FileVault(path)


@pytest.fixture
def sealer() -> Sealer:
    return StoreSealer(b"k" * 32)


@pytest.mark.parametrize("value", ["", "hunter2", "schön 🔑", "x" * 32768])
def test_what_was_sealed_can_be_opened(vault: Vault, value: str) -> None:
    sealed = vault.seal(value, context="job/1/PASSWORD")
    assert vault.open(sealed, context="job/1/PASSWORD") == value
    assert not value or value.encode() not in sealed


def test_a_value_is_sealed_differently_each_time(vault: Vault) -> None:
    assert vault.seal("same", context="c") != vault.seal("same", context="c")


def test_another_context_opens_nothing(vault: Vault) -> None:
    sealed = vault.seal("hunter2", context="job/1/PASSWORD")
    with pytest.raises(VaultError, match="belongs elsewhere"):
        vault.open(sealed, context="job/2/PASSWORD")


def test_another_key_opens_nothing_and_is_named(vault: Vault, tmp_path: Path) -> None:
    other = FileVault(tmp_path / "other.key")
    with pytest.raises(VaultError, match=r"sealed with the key [0-9a-f]{16}, not [0-9a-f]{16}"):
        other.open(vault.seal("hunter2", context="c"), context="c")


def test_no_changed_byte_goes_unseen(vault: Vault) -> None:
    sealed = vault.seal("hunter2", context="c")
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(VaultError):
            vault.open(bytes(changed), context="c")


@pytest.mark.parametrize("length", [0, 1, 9, 21, 36])
def test_what_is_cut_off_is_no_sealed_value(vault: Vault, length: int) -> None:
    with pytest.raises(VaultError, match="no sealed value"):
        vault.open(vault.seal("", context="c")[:length], context="c")


def test_the_same_file_opens_after_a_restart(path: Path) -> None:
    sealed = FileVault(path).seal("hunter2", context="c")
    again = FileVault(path, make=False)
    assert again.open(sealed, context="c") == "hunter2"
    assert again.token(JOB, 1) == FileVault(path).token(JOB, 1)


def test_a_new_key_file_is_private_and_alone(vault: Vault, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]


def test_two_that_make_the_key_at_once_have_the_same(path: Path) -> None:
    barrier = threading.Barrier(8)
    tokens = set()

    def make() -> None:
        barrier.wait()
        tokens.add(FileVault(path).token(JOB, 1))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 1


def test_a_key_file_of_the_operators_may_hold_any_bytes(path: Path) -> None:
    path.write_bytes(bytes(range(100, 200)))
    vault = FileVault(path, make=False)
    assert vault.open(vault.seal("x", context="c"), context="c") == "x"


def test_a_named_key_file_that_is_missing_is_not_made(path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"secret\.key: No such file"):
        FileVault(path, make=False)
    assert not path.exists()


def test_a_short_key_file_is_refused(path: Path) -> None:
    path.write_text("short\n")
    with pytest.raises(KeyFileError, match="holds 6 bytes, at least 32 are needed"):
        FileVault(path)


def test_a_key_file_that_is_a_folder_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(KeyFileError, match="Is a directory"):
        FileVault(path)


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        FileVault(tmp_path / "missing" / "secret.key")


def test_a_token_names_its_attempt_and_is_always_the_same(vault: Vault) -> None:
    token = vault.token(JOB, 3)
    assert token == vault.token(JOB, 3)
    assert token.startswith(f"jt_{JOB}_3_")
    assert attempt_of(token) == (JOB, 3)


def test_tokens_of_other_attempts_jobs_and_keys_differ(vault: Vault, tmp_path: Path) -> None:
    other = FileVault(tmp_path / "other.key")
    codes = {
        token.rpartition("_")[2]
        for token in (vault.token(JOB, 1), vault.token(JOB, 2), vault.token("b", 1), other.token(JOB, 1))
    }
    assert len(codes) == 4


@pytest.mark.parametrize("value", [b"", b"1", b"12", b"123", b"\x00" * 1000])
def test_a_cursor_holds_what_was_sealed(sealer: Sealer, value: bytes) -> None:
    sealed = sealer.seal(value)
    assert sealer.open(sealed) == value
    assert sealed.isascii()
    assert not set(sealed) & set("+/= ")


@pytest.mark.parametrize("value", [b"", b"1", b"12"])
def test_no_changed_character_of_a_cursor_goes_unseen(sealer: Sealer, value: bytes) -> None:
    sealed = sealer.seal(value)
    for index in range(len(sealed)):
        for other in "Aa0-_Bb1":
            if sealed[index] != other:
                assert sealer.open(sealed[:index] + other + sealed[index + 1 :]) is None


@pytest.mark.parametrize("text", ["", "A", "AAAA", "A" * 37, "ä" * 40, "+/+/" * 20, "A A" * 20, "=" * 40])
def test_other_text_is_no_cursor(sealer: Sealer, text: str) -> None:
    assert sealer.open(text) is None


def test_a_cursor_with_padding_is_a_changed_one(sealer: Sealer) -> None:
    assert sealer.open(sealer.seal(b"1") + "=") is None


def test_another_key_reads_no_cursor(sealer: Sealer) -> None:
    assert StoreSealer(b"o" * 32).open(sealer.seal(b"value")) is None


def test_a_fingerprint_is_keyed(sealer: Sealer) -> None:
    assert sealer.fingerprint(b"value") == StoreSealer(b"k" * 32).fingerprint(b"value")
    assert sealer.fingerprint(b"value") != sealer.fingerprint(b"valuf")
    assert sealer.fingerprint(b"value") != StoreSealer(b"o" * 32).fingerprint(b"value")


def test_a_sealing_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 5"):
        StoreSealer(b"short")
