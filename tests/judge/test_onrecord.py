"""What of a report goes on record: of an internal error its type, and nothing that it says."""

from __future__ import annotations

import pytest

from pytest_rollback.judge.onrecord import _without_places
from pytest_rollback.model import Obstacle, Reason


@pytest.mark.parametrize(
    ("detail", "kept"),
    [
        ("internal error: KeyError: 'hunter2'", "internal error: KeyError"),
        ("internal error: E   app.store.LockedError: /home/ada/x is locked", "internal error: app.store.LockedError"),
        ("internal error: conftest.py:3: ValueError", "internal error: ValueError"),
        ("internal error: token hunter2", "internal error: an error of another kind"),
        ("a plugin broke at the end: OSError: [Errno 2] hunter2", "a plugin broke at the end: OSError"),
        ("1 of 2 workers told what they collected (gw1 died)", "1 of 2 workers told what they collected (gw1 died)"),
    ],
)
def test_of_an_internal_error_only_the_type_stays(detail: str, kept: str) -> None:
    """What an exception says may be a password, and the record travels to whoever reads the repository."""
    assert _without_places(Obstacle(reason=Reason.INTERNAL, detail=detail)).detail == kept


def test_what_the_gate_itself_says_stays_whole() -> None:
    """It names what to do, and only the folders of this machine go."""
    said = Obstacle(reason=Reason.NOT_RUN, detail="not run: see /home/ada/chat/store.py")
    assert _without_places(said).detail == "not run: see store.py"
