"""Signed events: by git's own ssh and gpg signatures, and what is said where one is missing or can't be made."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.repo.audit import audit
from pytest_rollback.repo.chains import take_in
from pytest_rollback.repo.ledger import KEPT, REF, Draft, Ledger, LedgerError
from tests.recording import judgment


@pytest.fixture
def ssh(repository: Repository, tmp_path: Path) -> Ledger:
    """Give a ledger whose user signs with an ssh key."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text("utf-8")
    (tmp_path / "signers").write_text(f"ada@example.org {public}", "utf-8")
    for name, value in (
        ("gpg.format", "ssh"),
        ("user.signingKey", str(key)),
        ("gpg.ssh.allowedSignersFile", str(tmp_path / "signers")),
    ):
        repository.git("config", name, value)
    return Ledger(repository.path)


@pytest.fixture
def gpg(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """Give a ledger whose user signs with a gpg key."""
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    home = Path(tempfile.mkdtemp(prefix="gpg-"))  # short: the path of its agent's socket has a limit
    monkeypatch.setenv("GNUPGHOME", str(home))
    who = "Ada <ada@example.org>"
    make = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", who, "ed25519", "sign", "never"]
    subprocess.run(make, check=True, capture_output=True)
    yield Ledger(repository.path)
    subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)
    shutil.rmtree(home)


@pytest.mark.parametrize("way", ["ssh", "gpg"])
def test_an_event_is_signed_by_gits_own_means(request: pytest.FixtureRequest, way: str) -> None:
    """Whoever may read the repository may check it, with nothing of ours."""
    ledger: Ledger = request.getfixturevalue(way)
    first, second = ledger.append([Draft(event=judgment()), Draft(event=judgment(when=1))], sign=True)
    for event in (first, second):
        ledger.git("verify-commit", event)
        assert ledger.read(event).note == ""
    found = audit(ledger, signed=True)
    assert (found.events, found.flaws) == (2, ())


def test_an_event_that_is_not_signed_is_named_where_all_should_be(ssh: Ledger) -> None:
    """A merge of chains is nobody's, and bears no signature."""
    (first,) = ssh.append([Draft(event=judgment())], sign=True)
    (plain,) = ssh.append([Draft(event=judgment(when=1))])
    ssh.git("update-ref", "-d", KEPT)
    ssh.git("update-ref", REF, first)
    ssh.append([Draft(event=judgment(when=2))], sign=True)
    take_in(ssh, plain)
    assert audit(ssh).flaws == ()
    (flaw,) = audit(ssh, signed=True).flaws
    assert (flaw.event, flaw.what) == (plain, "it is not signed")


def test_a_signature_of_somebody_unknown_does_not_hold(ssh: Ledger, tmp_path: Path) -> None:
    """The key is not among those that may sign, and git says so."""
    (kept,) = ssh.append([Draft(event=judgment())], sign=True)
    (tmp_path / "signers").write_text("")
    (flaw,) = audit(ssh, signed=True).flaws
    assert flaw.event == kept
    assert flaw.what.startswith("its signature does not hold (git: Good ")
    assert "No principal matched" in flaw.what
    ssh.git("config", "--unset", "gpg.ssh.allowedSignersFile")
    (flaw,) = audit(ssh, signed=True).flaws
    assert flaw.what == "it is signed, and the key can't be checked: gpg.ssh.allowedSignersFile is not set"


def test_a_signature_that_cannot_be_made_records_nothing(ssh: Ledger, tmp_path: Path) -> None:
    """Git's words say which key is missing."""
    (tmp_path / "key").unlink()
    (tmp_path / "key.pub").unlink()
    with pytest.raises(LedgerError, match=r"nothing was recorded: git commit-tree: .*"):
        ssh.append([Draft(event=judgment())], sign=True)
    assert ssh.tip() is None
