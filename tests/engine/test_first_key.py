"""A gateway without keys serves everyone on this machine, until the command line makes the first key."""

import pytest

from gateway.domain.errors import Unauthorized
from gateway.domain.keys import new_key
from gateway.domain.words import Role
from tests.house import TestHouse


async def make_key(house: TestHouse) -> str:
    text, record = new_key(name="first", role=Role.ADMIN, now=house.clock.now())
    await house.house.store.write(lambda tx: tx.insert_key(record))
    return text


async def test_the_first_key_closes_a_gateway_within_a_second(house: TestHouse) -> None:
    await house.call("getServiceInfo")
    await make_key(house)
    house.clock.advance(1)
    with pytest.raises(Unauthorized, match="a key is needed"):
        await house.call("getServiceInfo")


async def test_who_comes_with_the_first_key_closes_it_at_once(house: TestHouse) -> None:
    await house.call("getServiceInfo")
    secret = await make_key(house)
    await house.call("getServiceInfo", secret=secret)
    with pytest.raises(Unauthorized, match="a key is needed"):
        await house.call("getServiceInfo")


async def test_a_gateway_that_was_closed_stays_closed(house: TestHouse) -> None:
    await make_key(house)
    for _ in range(2):
        with pytest.raises(Unauthorized):
            await house.call("getServiceInfo")
        house.clock.advance(1)
