"""API keys: made, read, compared."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.keys import hash_of, is_valid, key_id, new_key, opens, organizations, record_of
from gateway.domain.words import Role

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RANDOM = "ab" * 32


def a_key(**changes):
    return new_key(**{"name": "ada", "role": Role.OPERATOR, "now": NOW, **changes})


def test_a_new_key_holds_its_id_and_256_random_bits():
    text, key = a_key()
    start, found, random = text.split("_")
    assert (start, found) == ("jg", key.id)
    assert len(bytes.fromhex(random)) * 8 == 256


def test_the_key_itself_is_not_in_its_record():
    text, key = a_key()
    assert text.rpartition("_")[2] not in repr(key)
    assert key.hash == hash_of(text)


def test_no_two_keys_are_the_same():
    assert len({a_key()[0] for _ in range(100)}) == 100


def test_a_key_opens_with_its_text_alone():
    text, key = a_key()
    assert opens(key, text, NOW)
    assert not opens(key, a_key()[0], NOW)
    assert not opens(key, text[:-1] + ("0" if text[-1] != "0" else "1"), NOW)


def test_an_expired_key_does_not_open():
    text, key = a_key(expires_at=NOW + timedelta(hours=1))
    assert opens(key, text, NOW + timedelta(minutes=59))
    assert not opens(key, text, NOW + timedelta(hours=1))


def test_a_revoked_key_does_not_open():
    text, key = a_key()
    revoked = replace(key, revoked_at=NOW)
    assert not opens(revoked, text, NOW)
    assert not is_valid(revoked, NOW)


@pytest.mark.parametrize("random", [RANDOM, "A" * 43, "_-" * 22])
def test_a_key_made_by_hand_may_be_hexadecimal_or_base64url(random):
    assert key_id(f"jg_first_{random}") == "first"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jg",
        f"jg__{RANDOM}",
        f"jg_{RANDOM}",
        f"xx_first_{RANDOM}",
        "jg_first_short",
        f"jg_fi rst_{RANDOM}",
        f" jg_first_{RANDOM}",
        f"jg_first_{RANDOM}\n",
        f"jg_first_{'a' * 129}",
        f"jg_{'a' * 33}_{RANDOM}",
        f"jg_first_{'é' * 64}",
    ],
)
def test_other_text_is_no_key(text):
    assert key_id(text) is None
    with pytest.raises(ValueError, match="jg_<id>"):
        record_of(text, name="ada", role=Role.READER, now=NOW)


def test_the_organizations_are_those_of_valid_keys():
    keys = [a_key(organization_id=name)[1] for name in ("one", "two", "three", "one")]
    keys[1] = replace(keys[1], revoked_at=NOW)
    keys[2] = replace(keys[2], expires_at=NOW)
    assert organizations(keys, NOW) == {"one"}
