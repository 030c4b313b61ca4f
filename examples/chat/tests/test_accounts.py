"""Accounts, without a server around them."""

from contextlib import closing
from pathlib import Path

import pytest

from chat.accounts import Accounts
from chat.frames import RequestError
from chat.store import Store


async def test_same_password_is_stored_differently(database: Path) -> None:
    """Whoever steals the file must not see who shares a password, nor read any password or token."""
    with closing(Store(database)) as store:
        accounts = Accounts(store)
        token = await accounts.register("ada", "same password")
        await accounts.register("bob", "same password")
        assert store.password_of("ada") != store.password_of("bob")
    content = database.read_bytes()
    assert b"same password" not in content
    assert token.encode() not in content


async def test_taken_name_is_refused(database: Path) -> None:
    """Registering a name again must not replace the password of its owner."""
    with closing(Store(database)) as store:
        accounts = Accounts(store)
        await accounts.register("ada", "first")
        with pytest.raises(RequestError, match="taken"):
            await accounts.register("ada", "second")
        assert accounts.user_of(await accounts.login("ada", "first")) == "ada"
