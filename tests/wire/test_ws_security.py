"""WS-Security: who is let in over SOAP, with what, and how long."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from lxml import etree

from gateway.contract.credentials import Credentials
from gateway.contract.seam import Request, Seam
from gateway.domain.digests import PasswordDigest, new_digest_secret, vault_context
from gateway.domain.errors import Unauthorized
from gateway.domain.keys import new_key
from gateway.domain.words import CallProtocol, Role
from gateway.stores.sqlite import SqliteJobStore
from gateway.translate.soap_versions import VERSIONS, SoapVersion
from tests.house import OPERATION, TestHouse
from tests.wire.security import NONCE, WSU, digested, plain, security, sha1_of, text_of, timestamp
from tests.wire.soap_stand import Said, envelope

LIST = "<j:listJobs/>"
START = (
    "<j:startJob><j:job><j:dockerImageUrl>i</j:dockerImageUrl><j:commands>a</j:commands></j:job></j:startJob>"
)


@pytest.fixture(params=VERSIONS, ids=["1.1", "1.2"])
def version(request: pytest.FixtureRequest) -> SoapVersion:
    found: SoapVersion = request.param
    return found


class Caller:
    """Sends messages of one version of SOAP with these header blocks."""

    def __init__(self, http: httpx.AsyncClient, version: SoapVersion) -> None:
        self._http, self._version = http, version

    async def reply(self, header: str, body: str = LIST, **headers: str) -> httpx.Response:
        """What comes back."""
        fields = {"content-type": self._version.content_type, **headers}
        content = envelope(body, self._version, header=header)
        return await self._http.post("/soap/v2/", content=content, headers=fields)

    async def is_let_in(self, header: str, **headers: str) -> bool:
        """Whether the caller is let in; a refusal is UNAUTHORIZED and nothing else."""
        reply = await self.reply(header, **headers)
        if reply.status_code == 200:
            return True
        assert (reply.status_code, Said(reply).key) == (401, "UNAUTHORIZED"), reply.text
        assert reply.headers["www-authenticate"] == 'Basic realm="jobs-gateway"'
        return False

    async def errors(self, header: str) -> list[str | None]:
        """Paths of what is wrong in the header."""
        said = Said(await self.reply(header))
        assert said.key == "VALIDATION_FAILED"
        return list(said.errors)


@pytest.fixture
def caller(http: httpx.AsyncClient, version: SoapVersion) -> Caller:
    return Caller(http, version)


def id_of(key: str) -> str:
    return key.split("_")[1]


async def shared_secret(house: TestHouse, key: str) -> str:
    """Give a key a shared secret."""
    secret = new_digest_secret()
    sealed = house.house.vault.seal(secret, context=vault_context(id_of(key)))
    await house.house.store.write(lambda tx: tx.digests.save_secret(id_of(key), sealed))
    return secret


async def test_a_password_is_an_api_key(caller: Caller, keys: dict[str, str]) -> None:
    assert not await caller.is_let_in("")
    assert await caller.is_let_in(security(plain(keys["reader"])))
    assert await caller.is_let_in(security(plain(keys["reader"], kind=None)))
    assert not await caller.is_let_in(security(plain("jg_other_" + "a" * 64)))
    assert not await caller.is_let_in(security(plain("")))


async def test_the_role_of_the_key_counts(caller: Caller, keys: dict[str, str]) -> None:
    started = await caller.reply(security(plain(keys["operator"])), START)
    assert etree.fromstring(started.content).findtext(".//{urn:jobs-gateway:v2}user") == "operator"
    assert Said(await caller.reply(security(plain(keys["reader"])), START)).key == "FORBIDDEN"


async def test_the_message_goes_before_http(caller: Caller, keys: dict[str, str]) -> None:
    wrong = "jg_other_" + "a" * 64
    assert await caller.is_let_in(security(plain(keys["reader"])), **{"x-api-key": wrong})
    assert not await caller.is_let_in(security(plain(wrong)), **{"x-api-key": keys["reader"]})


async def test_a_block_that_must_be_understood_is(
    caller: Caller, version: SoapVersion, keys: dict[str, str]
) -> None:
    flags = f'xmlns:e="{version.namespace}" e:mustUnderstand="1"'
    assert await caller.is_let_in(security(plain(keys["reader"]), flags=flags))


async def test_a_block_for_another_actor_says_nothing(
    caller: Caller, version: SoapVersion, keys: dict[str, str]
) -> None:
    flags = f'xmlns:e="{version.namespace}" e:{version.actor_attribute}="urn:somebody-else"'
    assert not await caller.is_let_in(security(plain(keys["reader"]), flags=flags))


async def test_a_digest_opens_once(caller: Caller, house: TestHouse, keys: dict[str, str]) -> None:
    secret = await shared_secret(house, keys["reader"])
    created = text_of(house.clock.now())
    token = digested(id_of(keys["reader"]), secret, created=created)
    assert await caller.is_let_in(security(token))
    assert not await caller.is_let_in(security(token))
    later = digested(id_of(keys["reader"]), secret, created=text_of(house.clock.now() + timedelta(seconds=1)))
    assert not await caller.is_let_in(security(later)), "the nonce alone counts"
    other = digested(id_of(keys["reader"]), secret, created=created, nonce=b"another nonce")
    assert await caller.is_let_in(security(other))


async def test_a_nonce_is_remembered_by_all_workers_and_after_a_restart(
    caller: Caller, house: TestHouse, keys: dict[str, str]
) -> None:
    secret = await shared_secret(house, keys["reader"])
    user, created = id_of(keys["reader"]), text_of(house.clock.now())
    assert await caller.is_let_in(security(digested(user, secret, created=created)))
    again = PasswordDigest(
        key_id=user,
        nonce=NONCE,
        created=created,
        created_at=house.clock.now(),
        digest=sha1_of(NONCE, created, secret),
    )
    with pytest.raises(Unauthorized, match="the nonce was used before"):
        await admitted(house.restarted().seam, again)
    await admitted(
        house.restarted().seam, replace(again, nonce=b"new", digest=sha1_of(b"new", created, secret))
    )


async def test_of_many_workers_one_lets_a_digest_in(
    tmp_path: Path, house: TestHouse, keys: dict[str, str]
) -> None:
    """Four stores on one file, as four processes have them."""
    stores = [SqliteJobStore(tmp_path / "shared") for _ in range(4)]
    for store in stores:
        await store.open()
    try:
        key = await house.house.store.read(lambda tx: tx.key(id_of(keys["reader"])))
        assert key is not None
        sealed = house.house.vault.seal("secret", context=vault_context(key.id))
        await stores[0].write(lambda tx: (tx.insert_key(key), tx.digests.save_secret(key.id, sealed)))
        created = text_of(house.clock.now())
        for number in range(5):
            nonce = b"nonce %d" % number
            digest = PasswordDigest(
                key_id=key.id,
                nonce=nonce,
                created=created,
                created_at=house.clock.now(),
                digest=sha1_of(nonce, created, "secret"),
            )
            seams = [Seam(replace(house.house, store=store)) for store in stores * 3]
            tries = await asyncio.gather(*(admitted(seam, digest) for seam in seams), return_exceptions=True)
            assert sorted(type(one).__name__ for one in tries) == ["NoneType"] + ["Unauthorized"] * 11
    finally:
        for store in stores:
            await store.close()


async def admitted(seam: Seam, digest: PasswordDigest) -> None:
    """Ask the seam, as the door does."""
    credentials = Credentials(digest=digest)
    request = Request(protocol=CallProtocol.SOAP, request_id="r", credentials=credentials)
    await seam.admit(OPERATION["listJobs"], request)


@pytest.mark.parametrize(
    ("seconds", "is_good"), [(-301, False), (-300, False), (-299, True), (0, True), (300, True), (301, False)]
)
async def test_a_digest_is_good_for_five_minutes(
    caller: Caller, house: TestHouse, keys: dict[str, str], seconds: int, is_good: bool
) -> None:
    secret = await shared_secret(house, keys["reader"])
    created = text_of(house.clock.now() + timedelta(seconds=seconds))
    token = digested(id_of(keys["reader"]), secret, created=created)
    assert await caller.is_let_in(security(token)) == is_good


async def test_a_nonce_is_forgotten_only_when_its_digest_is_stale(
    caller: Caller, house: TestHouse, keys: dict[str, str]
) -> None:
    secret = await shared_secret(house, keys["reader"])
    ahead = text_of(house.clock.now() + timedelta(seconds=300))
    token = security(digested(id_of(keys["reader"]), secret, created=ahead))
    assert await caller.is_let_in(token)
    for _ in range(2):
        house.clock.advance(299)
        await house.engine.pruner.tick()
        assert not await caller.is_let_in(token)
    assert not await house.house.store.read(lambda tx: tx.digests.has_stale(house.clock.now()))
    house.clock.advance(2)
    assert await house.house.store.read(lambda tx: tx.digests.has_stale(house.clock.now()))
    await house.engine.pruner.tick()
    assert not await house.house.store.read(lambda tx: tx.digests.has_stale(house.clock.now()))
    assert not await caller.is_let_in(token)


async def test_a_wrong_digest_uses_no_nonce_up(
    caller: Caller, house: TestHouse, keys: dict[str, str]
) -> None:
    secret = await shared_secret(house, keys["reader"])
    user, created = id_of(keys["reader"]), text_of(house.clock.now())
    assert not await caller.is_let_in(security(digested(user, "guessed", created=created)))
    assert not await caller.is_let_in(security(digested("nobody", secret, created=created)))
    assert not await caller.is_let_in(security(digested(user, keys["reader"], created=created)))
    assert await caller.is_let_in(security(digested(user, secret, created=created)))


async def test_a_key_without_shared_secret_takes_no_digest(
    caller: Caller, house: TestHouse, keys: dict[str, str]
) -> None:
    token = digested(id_of(keys["reader"]), "", created=text_of(house.clock.now()))
    assert not await caller.is_let_in(security(token))


async def test_a_revoked_key_takes_no_digest(caller: Caller, house: TestHouse, keys: dict[str, str]) -> None:
    secret = await shared_secret(house, keys["reader"])
    key = await house.house.store.read(lambda tx: tx.key(id_of(keys["reader"])))
    assert key is not None
    await house.house.store.write(lambda tx: tx.save_key(replace(key, revoked_at=house.clock.now())))
    token = digested(key.id, secret, created=text_of(house.clock.now()))
    assert not await caller.is_let_in(security(token))


async def test_a_shared_secret_lies_encrypted_in_the_store(house: TestHouse, keys: dict[str, str]) -> None:
    secret = await shared_secret(house, keys["reader"])
    sealed = await house.house.store.read(lambda tx: tx.digests.secret(id_of(keys["reader"])))
    assert sealed is not None
    assert secret.encode() not in sealed
    assert house.house.vault.open(sealed, context=vault_context(id_of(keys["reader"]))) == secret


async def test_a_secret_that_cannot_be_opened_opens_nothing(
    caller: Caller, house: TestHouse, keys: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    user = id_of(keys["reader"])
    sealed = house.house.vault.seal("secret", context=vault_context("another"))
    await house.house.store.write(lambda tx: tx.digests.save_secret(user, sealed))
    token = digested(user, "secret", created=text_of(house.clock.now()))
    assert not await caller.is_let_in(security(token))
    assert f"the shared secret of key {user} cannot be read" in caplog.text


@pytest.mark.parametrize(
    ("created", "expires", "is_good"),
    [
        (0, 60, True),
        (-3600, 1, True),
        (-3600, 0, False),
        (-60, -1, False),
        (-299, None, True),
        (-300, None, False),
        (300, 600, True),
        (301, 600, False),
        (None, 1, True),
        (None, -1, False),
        (None, None, True),
    ],
)
async def test_a_message_is_good_for_as_long_as_it_says(
    caller: Caller,
    house: TestHouse,
    keys: dict[str, str],
    created: int | None,
    expires: int | None,
    is_good: bool,
) -> None:
    made, ends = (
        None if seconds is None else text_of(house.clock.now() + timedelta(seconds=seconds))
        for seconds in (created, expires)
    )
    header = security(timestamp(made, ends), plain(keys["reader"]))
    assert await caller.is_let_in(header) == is_good
    by_http = await caller.is_let_in(security(timestamp(made, ends)), **{"x-api-key": keys["reader"]})
    assert by_http == is_good


async def test_a_timestamp_is_answered_with_one(
    caller: Caller, house: TestHouse, keys: dict[str, str]
) -> None:
    now = text_of(house.clock.now())
    token = plain(keys["reader"])
    without = await caller.reply(security(token))
    assert b"Timestamp" not in without.content
    for body in (LIST, START):
        reply = await caller.reply(security(timestamp(now), token), body)
        (block,) = etree.fromstring(reply.content).iter(f"{{{WSU}}}Timestamp")
        instants = [str(child.text) for child in block]
        assert [child.tag for child in block] == [f"{{{WSU}}}Created", f"{{{WSU}}}Expires"]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", instant) for instant in instants)
        assert instants[0] < instants[1]


SIGNATURE = '<d:Signature xmlns:d="http://www.w3.org/2000/09/xmldsig#"/>'


async def test_what_is_not_supported_is_refused_where_it_must_be_understood(
    caller: Caller, version: SoapVersion, keys: dict[str, str]
) -> None:
    token = plain(keys["reader"])
    assert await caller.is_let_in(security(SIGNATURE, token))
    flags = f'xmlns:e="{version.namespace}" e:mustUnderstand="1"'
    assert await caller.errors(security(SIGNATURE, token, flags=flags)) == ["Security/Signature"]


GOOD = digested("k", "s", created="2026-11-23T12:00:00Z")


@pytest.mark.parametrize(
    ("header", "paths"),
    [
        (security() + security(), ["Security"]),
        (security(plain("a"), plain("a")), ["Security/UsernameToken"]),
        (security(timestamp(), timestamp()), ["Security/Timestamp"]),
        (security("<w:UsernameToken/>"), ["Security/UsernameToken/Username"]),
        (
            security("<w:UsernameToken><w:Username>a</w:Username></w:UsernameToken>"),
            ["Security/UsernameToken/Password"],
        ),
        (security(plain("a", kind="PasswordGuess")), ["Security/UsernameToken/Password"]),
        (security(plain("<w:a/>")), ["Security/UsernameToken/Password"]),
        (
            security(plain("YQ==", kind="PasswordDigest")),
            [
                "Security/UsernameToken/Password",
                "Security/UsernameToken/Nonce",
                "Security/UsernameToken/Created",
            ],
        ),
        (
            security(GOOD.replace("Z</u:Created>", "</u:Created><u:Created/>")),
            ["Security/UsernameToken/Created"],
        ),
        (security(GOOD.replace("2026-11-23T", "yesterday ")), ["Security/UsernameToken/Created"]),
        (security(GOOD.replace("2026-11-23T", "2026-02-30T")), ["Security/UsernameToken/Created"]),
        (security(re.sub(r"(<w:Nonce[^>]*>)[^<]*", r"\1", GOOD)), ["Security/UsernameToken/Nonce"]),
        (security(re.sub(r"(<w:Nonce[^>]*>)[^<]*", r"\1!", GOOD)), ["Security/UsernameToken/Nonce"]),
        (security(re.sub(r"(<w:Nonce[^>]*>)", r"\1" + "YWFh" * 300, GOOD)), ["Security/UsernameToken/Nonce"]),
        (security(GOOD.replace("Base64Binary", "HexBinary")), ["Security/UsernameToken/Nonce"]),
        (security(timestamp("now")), ["Security/Timestamp/Created"]),
        (security(timestamp(None, "2026-11-23T24:00:00Z")), ["Security/Timestamp/Expires"]),
    ],
)
async def test_a_wrong_block_is_named(
    caller: Caller, keys: dict[str, str], header: str, paths: list[str]
) -> None:
    assert await caller.errors(header) == paths


async def test_a_digest_over_a_gateway_without_keys_opens_nothing(caller: Caller) -> None:
    assert await caller.is_let_in("")
    assert not await caller.is_let_in(security(GOOD))


async def test_a_digest_closes_a_gateway_without_keys_as_its_key_does(
    caller: Caller, house: TestHouse
) -> None:
    assert await caller.is_let_in("")
    text, record = new_key(name="first", role=Role.READER, now=house.clock.now())
    await house.house.store.write(lambda tx: tx.insert_key(record))
    secret = await shared_secret(house, text)
    assert await caller.is_let_in(security(digested(record.id, secret, created=text_of(house.clock.now()))))
    assert not await caller.is_let_in("")
