"""Keeps secrets: the values that jobs are handed, the tokens of attempts, and what cursors hold.

Everything is derived from two keys. The vault's lies in a file beside the database, so that a copy of the
database alone opens no secret. The sealer's lies in the store, so that all nodes read each other's cursors.
"""

import base64
import binascii
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from gateway.domain.ports import VaultError

KEY_BYTES = 32
"""Length of keys; a key file holds at least as many bytes."""

_VERSION = b"\x01"
_ID_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEAD_BYTES = len(_VERSION) + _ID_BYTES + _NONCE_BYTES


class KeyFileError(Exception):
    """The key file cannot be used. The message is for the operator and names the file."""


class FileVault:
    """The port Vault with AES-256-GCM and a key from a file.

    A sealed value is a version byte, the key's id (8 bytes), a nonce (12 bytes) and the ciphertext with its
    tag; the context is authenticated with it.
    """

    def __init__(self, path: Path, *, make: bool = True) -> None:
        """Read the key; `make` = make the file when it is missing. Raises KeyFileError."""
        key = _read_key_file(path, make=make)
        self._id = _derived(key, b"id")[:_ID_BYTES]
        self._sealing = AESGCM(_derived(key, b"seal"))
        self._token_key = _derived(key, b"token")

    @property
    def key_id(self) -> bytes:
        """What sealed values name the key by."""
        return self._id

    def seal(self, value: str, *, context: str) -> bytes:
        """Encrypt; the ciphertext names its key and can be opened with the same context only."""
        nonce = os.urandom(_NONCE_BYTES)
        head = _VERSION + self._id
        return head + nonce + self._sealing.encrypt(nonce, value.encode(), head + context.encode())

    def open(self, sealed: bytes, *, context: str) -> str:
        """Decrypt. Raises VaultError when the key or the context is another, or the value was changed."""
        if len(sealed) < _HEAD_BYTES + _TAG_BYTES or not sealed.startswith(_VERSION):
            raise VaultError("this is no sealed value")
        head, nonce = sealed[: 1 + _ID_BYTES], sealed[1 + _ID_BYTES : _HEAD_BYTES]
        if head[1:] != self._id:
            raise VaultError(f"the value was sealed with the key {head[1:].hex()}, not {self._id.hex()}")
        try:
            return self._sealing.decrypt(nonce, sealed[_HEAD_BYTES:], head + context.encode()).decode()
        except InvalidTag:
            raise VaultError("the sealed value belongs elsewhere or was changed") from None

    def token(self, job_id: str, attempt: int) -> str:
        """The token of an attempt, `jt_<job id>_<attempt>_<64 hexadecimal digits>`."""
        name = f"{job_id}_{attempt}"
        code = hmac.new(self._token_key, name.encode(), hashlib.sha256).hexdigest()
        return f"jt_{name}_{code}"


class StoreSealer:
    """The port Sealer with AES-256-GCM. Sealed text is base64url without padding."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 random bytes, which the store keeps as the setting `sealing_key`."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a sealing key has {KEY_BYTES} bytes, not {len(key)}")
        self._sealing = AESGCM(_derived(key, b"cursor"))
        self._hash_key = _derived(key, b"fingerprint")

    def seal(self, value: bytes) -> str:
        """Encrypt and sign, as text for a URL."""
        nonce = os.urandom(_NONCE_BYTES)
        return _text(nonce + self._sealing.encrypt(nonce, value, None))

    def open(self, sealed: str) -> bytes | None:
        """What was sealed; None when it was not sealed here or was changed."""
        try:
            data = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        # The last character has bits that decoding drops: a change there would go unseen.
        if len(data) < _NONCE_BYTES + _TAG_BYTES or _text(data) != sealed:
            return None
        try:
            return self._sealing.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None)
        except InvalidTag:
            return None

    def fingerprint(self, value: bytes) -> str:
        """A keyed hash, 64 hexadecimal digits."""
        return hmac.digest(self._hash_key, value, "sha256").hex()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _derived(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose (RFC 5869); what opens secrets never signs tokens."""
    # The extract step makes 32 even bytes of a key file of any length.
    even = hmac.new(b"jobs-gateway", key, hashlib.sha256).digest()
    return HKDFExpand(algorithm=SHA256(), length=KEY_BYTES, info=purpose).derive(even)


def _read_key_file(path: Path, *, make: bool) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError as error:
        if not make:
            raise KeyFileError(f"key file {path}: {error.strerror}") from error
        _make_key_file(path)
        return _read_key_file(path, make=False)
    except OSError as error:
        raise KeyFileError(f"key file {path}: {error.strerror}") from error
    if len(key) < KEY_BYTES:
        raise KeyFileError(
            f"key file {path}: holds {len(key)} bytes, at least {KEY_BYTES} are needed; "
            "restore it from a backup, the secrets of stored jobs cannot be read without it"
        )
    return key.rstrip(b"\r\n")


def _make_key_file(path: Path) -> None:
    """Make a key file that is there whole or not at all; one that another process makes first is kept."""
    new = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}.new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, os.urandom(KEY_BYTES).hex().encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(new, path)
        except FileExistsError:
            pass
        finally:
            new.unlink()
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeyFileError(f"key file {path}: {error.strerror}") from error
