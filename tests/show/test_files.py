"""Reports as files: what stands at a path already is asked about without harm, and kept unless it is ours."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pytest_rollback.model import Environment, PolicyUsed, Reason, Report, Subject, Tests, Verdict
from pytest_rollback.show.files import problem, write

REPORT = Report(
    verdict=Verdict.PASSED,
    reason=Reason.HELD,
    steady=True,
    mode="enforce",
    subject=Subject(),
    policy=PolicyUsed(digest="d", source="the shipped matrix"),
    environment=Environment(digest="e", python="3.12", platform="linux"),
    started="2026-01-01T00:00:00Z",
    finished="2026-01-01T00:00:01Z",
    duration_s=1.0,
    tests=Tests(),
    findings=(),
    obstacles=(),
    not_passed=(),
    measurements=(),
)
ENDINGS = ["json", "md", "xml"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_report_gives_way_to_the_next(tmp_path: Path, ending: str) -> None:
    """Gates write to the same path again and again, and leave nothing beside it."""
    path = tmp_path / f"x.{ending}"
    for _ in range(2):
        assert problem(path) is None
        assert write(path, REPORT) is None
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_refused_and_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, *, linked: bool
) -> None:
    """To read a pipe waits for a writer that never comes, and a device may give bytes for ever."""
    monkeypatch.chdir(tmp_path)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind("socket.real")
    os.mkfifo("pipe.real")
    Path("folder.real").mkdir()
    Path("null.real").symlink_to(os.devnull)
    for name in ("socket", "pipe", "folder", "null"):
        path, real = tmp_path / f"{name}.{ending}", tmp_path / f"{name}.real"
        path.symlink_to(real) if linked else real.rename(path)
        why = f"{path}: is {'a folder' if name == 'folder' else 'no regular file'}"
        assert problem(path) == write(path, REPORT) == why
    listening.close()
    assert not list(tmp_path.glob(".*"))


def test_links_count_as_what_they_lead_to(tmp_path: Path) -> None:
    """One that leads nowhere is in nobody's way; one that leads to itself is no place to write to."""
    nowhere, loop, last, ours = (tmp_path / f"{name}.json" for name in ("nowhere", "loop", "last", "ours"))
    nowhere.symlink_to("gone.json")
    loop.symlink_to("loop.json")
    write(ours, REPORT)
    last.symlink_to("ours.json")
    assert problem(nowhere) is None
    assert problem(last) is None
    assert problem(loop) is not None


def test_what_stands_beside_the_path_is_never_written_through(tmp_path: Path) -> None:
    """The report is made whole beside its path, under a name that a test may have guessed."""
    path, victim = tmp_path / "x.json", tmp_path / "victim"
    beside = tmp_path / f".x.json.{os.getpid()}"
    beside.symlink_to(victim)
    assert write(path, REPORT) is None
    assert not victim.exists()
    beside.mkdir()
    assert "could not be written" in (write(path, REPORT) or "")
