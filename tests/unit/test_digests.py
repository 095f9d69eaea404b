"""Password digests and how long messages are good."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.digests import PasswordDigest, Validity, new_digest_secret
from gateway.domain.errors import Unauthorized

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_digest(digest: str) -> PasswordDigest:
    return PasswordDigest(
        key_id="k",
        digest=base64.b64decode(digest),
        nonce=b"abcdefghijklmnop",
        created="2026-11-23T12:00:00Z",
        created_at=NOON,
    )


def test_a_digest_is_the_sha_1_of_nonce_time_and_secret():
    # printf 'abcdefghijklmnop2026-11-23T12:00:00Zs3cret' | openssl sha1 -binary | base64
    assert a_digest("6m9CFSvpIQeV8sTfvkwPVIYo5n0=").proves("s3cret")
    assert not a_digest("6m9CFSvpIQeV8sTfvkwPVIYo5n0=").proves("s3cre")
    assert not a_digest("").proves("s3cret")


def test_secrets_are_long_and_never_the_same():
    made = {new_digest_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(base64.urlsafe_b64decode(secret + "=")) == 32 for secret in made)


@pytest.mark.parametrize(
    "instant", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]
)
def test_the_ends_of_time_are_refused_and_nothing_else_happens(instant):
    with pytest.raises(Unauthorized):
        Validity(created_at=instant).check(NOON)


def test_a_validity_that_says_nothing_is_no_hindrance():
    Validity().check(NOON)
    Validity(expires_at=NOON + timedelta(milliseconds=1)).check(NOON)
    with pytest.raises(Unauthorized, match=r"good until 2026-11-23T12:00:00.000Z"):
        Validity(expires_at=NOON).check(NOON)
