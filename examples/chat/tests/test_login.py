"""Logging in: the right password opens a session, nothing else does."""

from pathlib import Path

import pytest
from chat_client import PASSWORD, connected

from chat.server import serving


@pytest.mark.golden_path("authentication")
async def test_login_opens_a_session(database: Path) -> None:
    """Without this nobody gets in: a registered user logs in anew and may send."""
    async with serving(database) as port:
        async with connected(port) as first:
            await first.register("ada")
        async with connected(port) as ada:
            assert (await ada.ask("login", user="ada", password=PASSWORD))["event"] == "session"
            ada.user = "ada"
            assert await ada.say("hello")


@pytest.mark.mission_critical("authentication")
async def test_wrong_password_is_refused(database: Path) -> None:
    """A wrong password and an unknown name get the same answer, which tells an attacker nothing."""
    async with serving(database) as port, connected(port) as stranger:
        async with connected(port) as ada:
            await ada.register("ada")
        refused = {"event": "error", "reason": "wrong name or password"}
        assert await stranger.ask("login", user="ada", password="guess") == refused
        assert await stranger.ask("login", user="eve", password=PASSWORD) == refused
        assert (await stranger.ask("send", text="hello"))["reason"] == "log in first"


@pytest.mark.mission_critical("authentication")
async def test_unknown_token_is_refused(database: Path) -> None:
    """A made-up token opens nothing: neither sending nor a history."""
    async with serving(database) as port, connected(port) as stranger:
        assert (await stranger.ask("resume", token="made-up"))["reason"] == "unknown token"
        assert (await stranger.ask("send", text="hello"))["reason"] == "log in first"
        assert (await stranger.ask("history", user="ada"))["reason"] == "log in first"
