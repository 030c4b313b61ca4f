"""What the checks of a session stand on, as it travels to the workers that run them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct

from pytest_rollback.session.checks.outcome import Place


class CheckGround(Struct, frozen=True, kw_only=True):
    """The tree that is judged, and what is known of its protected files."""

    top: str | None = None
    tree: str | None = None
    home: str | None = None
    folder: str = "."
    altered: tuple[str, ...] | None = None
    is_staged: bool = False
    is_off: bool = False  # nobody asks for the checks

    def place(self, config: pytest.Config, protected: tuple[str, ...]) -> Place:
        """Say where a check runs in this process."""
        return Place(
            root=config.rootpath,
            top=_path(self.top),
            tree=self.tree,
            home=_path(self.home),
            folder=self.folder,
            protected=protected,
            altered=self.altered,
            is_staged=self.is_staged,
        )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
