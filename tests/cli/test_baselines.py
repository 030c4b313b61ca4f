"""`pytest-rollback baselines`: what is accepted, how it came about, and what a person lets move."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from conftest import Repository
from pytest_rollback.cli import main
from pytest_rollback.events import BaselineChange, BaselineChanged, Checkpoint
from pytest_rollback.model import Judged, Status
from pytest_rollback.policy.baselines import FOLDER, Accepted, Baseline, write
from pytest_rollback.policy.shelf import LOG, put, take_shelf
from pytest_rollback.repo.ledger import Draft, Ledger
from tests.recording import at, judgment

Say = Callable[..., list[str]]
ACCEPTED = Accepted(at=at(), by="Ada <ada@example.org>", reason="first numbers")
LINUX, MAC = "cpython3.11-linux", "cpython3.11-darwin"


def known(name: str = "style", value: float = 98.2, unit: str = "%", **other: Any) -> Baseline:
    """Give a baseline."""
    return Baseline(name=name, value=value, unit=unit, accepted=other.pop("accepted", ACCEPTED), **other)


def shelve(root: Path, *baselines: Baseline) -> None:
    """Put baselines into a project."""
    put(root, {each.file: write(each) for each in baselines})


def judged(name: str = "style", value: float | None = 98.2, **other: Any) -> Judged:
    """Give a number as a verdict holds it."""
    facts: dict[str, Any] = {"unit": "%", "baseline": None, "limit": None, "change": None, "status": Status.HELD}
    return Judged(name=name, value=value, **{**facts, **other})


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run the subcommand; gives its lines."""
    monkeypatch.setenv("TZ", "UTC")

    def run(*options: str, status: int = 0) -> list[str]:
        capsys.readouterr()
        assert main(["baselines", *options]) == status
        said = capsys.readouterr()
        return (said.out + said.err).splitlines()

    return run


@pytest.fixture
def project(repository: Repository) -> Path:
    """Give a project with three metrics, one of which has a baseline for two machines."""
    shelve(
        repository.path,
        known(),
        known("architecture", 98.7, pinned="until phase 2"),
        known("search", 0.012, "s", environment=LINUX),
        known("search", 0.009, "s", environment=MAC),
    )
    repository.commit("first")
    return repository.path


def last(project: Path) -> BaselineChange:
    """Give what came on record last."""
    ledger = Ledger(project)
    event = ledger.read(ledger.tip() or "").event
    assert isinstance(event, BaselineChange)
    return event


def values(project: Path) -> dict[str, float]:
    """Give what is accepted."""
    return {key: each.value for key, each in take_shelf(project).baselines.items()}


def facts(lines: list[str]) -> dict[str, Any]:
    """Read what was printed for machines."""
    document: dict[str, Any] = json.loads("\n".join(lines))
    assert document.pop("schema") == 1
    return document


# --- list ---


def test_each_baseline_is_one_aligned_line(project: Path, say: Say) -> None:
    """Its value, for which machine, since when, by whom and why; pinned ones say what for."""
    assert project.is_dir()
    by = "by Ada <ada@example.org>  "
    said = [re.sub(r"\d+ \w+ ago", "AGO", line) for line in say()]
    assert said == [
        f"architecture  98.7 %                      2026-11-21 12:00, AGO  {by}pinned: until phase 2; first numbers",
        f"search        9 ms    {MAC}  2026-11-21 12:00, AGO  {by}first numbers",
        f"search        12 ms   {LINUX}   2026-11-21 12:00, AGO  {by}first numbers",
        f"style         98.2 %                      2026-11-21 12:00, AGO  {by}first numbers",
    ]
    assert len(say("list", "--environment", LINUX)) == len(say("--environment", MAC, "list")) == 1
    assert say("list", "--environment=all") == say()


def test_the_list_is_there_for_machines(project: Path, say: Say) -> None:
    """Every key is always there; an option before `list` counts as one behind it."""
    (project / FOLDER / "bad.json").write_text("{", "utf-8")
    document, *others = (facts(say(*options)) for options in (["--json"], ["list", "--json"], ["--json", "list"]))
    for each in (document, *others):
        assert [baseline["accepted"].pop("age_s") >= 0 for baseline in each["baselines"]] == [True] * 4
    assert others == [document, document]
    assert (document["root"], document["folder"], document["unfinished"]) == (".", FOLDER, False)
    assert [each["file"] for each in document["damaged"]] == ["bad.json"]
    first = document["baselines"][0]
    assert first == {
        "name": "architecture",
        "metric": "",
        "value": 98.7,
        "unit": "%",
        "environment": None,
        "accepted": {"at": ACCEPTED.at, "by": ACCEPTED.by, "reason": ACCEPTED.reason},
        "pinned": "until phase 2",
        "file": "architecture.json",
    }


def test_damaged_files_and_what_was_cut_short_are_named(project: Path, say: Say) -> None:
    """They harm nobody else, and somebody has to know."""
    (project / FOLDER / "bad.json").write_text("<<<<<<< HEAD\n", "utf-8")
    (project / FOLDER / LOG).write_text('{"new.json": [null, "e30="]}', "utf-8")
    said = say()
    assert said[4].startswith("damaged    bad.json has merge conflict markers; settle the merge")
    assert said[5].startswith("damaged    new.json is no baseline: ")
    assert said[6].startswith("note       cut short: ")
    odd = known(accepted=Accepted(at="yesterday", reason="\x1b[31m"))
    (project / FOLDER / "style.json").write_bytes(write(odd))
    assert re.search(r"style +98.2 % +yesterday +\\x1b\[31m$", "\n".join(say()), re.MULTILINE)
    shelve(project, known("api", 0.0, "", basis={"contract": {}}))
    assert say()[0].startswith("api           a contract")


def test_without_any_it_says_how_they_come_about(repository: Repository, say: Say) -> None:
    """Also where only one machine has some."""
    (said,) = say()
    assert said.startswith(
        f"no baseline is accepted in {repository.path / FOLDER}; accept what a gate measures: pytest"
    )
    shelve(repository.path, known())
    assert say("--environment=mars")[0].startswith("no baseline is accepted on mars in ")


def test_a_folder_that_cannot_be_read_is_an_error(repository: Repository, say: Say) -> None:
    """That is no project without baselines."""
    repository.write(FOLDER, "x")
    for options in ([], ["pin", "style", "--reason=x"], ["invalidate", "style", "--reason=x"]):
        assert say(*options, status=1) == [f"pytest-rollback baselines: {FOLDER} can't be read: Not a directory"]


def test_it_works_from_any_folder_of_the_project(
    project: Path, say: Say, monkeypatch: pytest.MonkeyPatch, repository: Repository
) -> None:
    """The nearest one up that has baselines counts; another project of the repository has its own."""
    deep = project / "api" / "src"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert len(say()) == 4
    assert (
        say("pin", "style", "--reason=x")[-1]
        == "next       git add --all ../../.pytest-rollback/baselines && git commit"
    )
    shelve(project / "api", known("other", 1.0))
    assert len(say()) == 1
    say("pin", "other", "--reason=x")
    assert (last(project).root, last(project).changes[0].name) == ("api", "other")
    monkeypatch.chdir(project)
    repository.write("web/pytest-rollback.toml", "")
    monkeypatch.chdir(project / "web")
    assert facts(say("--json"))["root"] == "."


# --- pin and unpin ---


def test_a_pinned_baseline_stays_until_it_is_let_go(project: Path, say: Say) -> None:
    """Both are on record."""
    said = say("pin", "style", "--reason", " until\nphase 3 ")
    assert said[0] == "pinned     style: 98.2 %"
    assert re.fullmatch(r"on record  [0-9a-f]{8}", said[1])
    assert said[2] == "next       git add --all .pytest-rollback/baselines && git commit"
    assert take_shelf(project).baselines["style"] == known(pinned="until phase 3")
    change = last(project)
    assert (change.reason, change.by, change.checkpoint) == ("until phase 3", "Ada <ada@example.org>", None)
    assert change.changes == (BaselineChanged(name="style", act="pinned", was=98.2, now=98.2, unit="%"),)
    assert say("unpin", "style", "architecture")[:2] == ["unpinned   style: 98.2 %", "unpinned   architecture: 98.7 %"]
    assert take_shelf(project).baselines["style"] == known()
    assert [each.act for each in last(project).changes] == ["unpinned", "unpinned"]
    assert "not pinned" in say("unpin", "style", status=1)[0]


def test_which_machine_is_meant_is_said_where_there_are_several(project: Path, say: Say) -> None:
    """Or all of them; nothing is guessed."""
    (said,) = say("pin", "search", "--reason=x", status=1)
    assert said.endswith(
        f"search has baselines for 2 environments: {MAC}, {LINUX}; name one by --environment KEY, or all"
    )
    (said,) = say("pin", "search", "--reason=x", "--environment=mars", status=1)
    assert "for other environments than mars" in said
    assert say("pin", "search", "--reason=x", "--environment", LINUX)[0] == f"pinned     search on {LINUX}: 12 ms"
    assert len(say("pin", "search", "style", "--reason=x", "--environment=all")) == 5
    (project / FOLDER / f"search@{MAC}.json").write_text("{", "utf-8")
    assert say("unpin", "search", "--environment", LINUX)[0] == f"unpinned   search on {LINUX}: 12 ms"
    assert "is no baseline" in say("unpin", "search", "--environment", MAC, status=1)[0]
    assert say("pin", "search", "--reason=x", "--environment", LINUX)[1].startswith("on record")
    assert all(each.pinned for each in take_shelf(project).baselines.values())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("pin", "styl", "--reason=x"), "there is no baseline of 'styl'; did you mean \"style\"?"),
        (("unpin", "zzz"), "there is no baseline of 'zzz'; known: architecture, search, style"),
        (("invalidate", "z\x1b[31m", "--reason=x"), r"there is no baseline of 'z\x1b[31m'; known: "),
        (("pin", "style", "bad", "--reason=x"), f"{FOLDER}/bad.json is no baseline: "),
        (("unpin", "bad"), f"{FOLDER}/bad.json is no baseline: "),
        (("invalidate", "architecture", "--reason=x"), "architecture is pinned (until phase 2); let it go first: "),
        (("pin", "style", "--reason=x", "--checkpoint=v1"), "no checkpoint is called 'v1'; there is none yet"),
        (("history", "styl"), "nothing on record is called 'styl'; did you mean \"style\"?"),
        (("history", "style"), "style has a baseline or was measured, but nothing of that is on record"),
    ],
)
def test_what_is_not_there_or_may_not_be_is_an_error(
    project: Path, say: Say, options: tuple[str, ...], says: str
) -> None:
    """With the nearest name; nothing changes, not even for the names that are right."""
    (project / FOLDER / "bad.json").write_text("{", "utf-8")
    before = take_shelf(project)
    (said,) = say(*options, status=1)
    assert said.startswith(f"pytest-rollback baselines: {says}")
    assert take_shelf(project) == before
    assert Ledger(project).tip() is None


@pytest.mark.parametrize(
    "options",
    [("pin", "style"), ("invalidate", "style"), ("pin", "style", "--reason= \n"), ("pin", "--reason=x"), ("fly",)],
)
def test_what_is_not_said_is_not_guessed(project: Path, options: tuple[str, ...]) -> None:
    """A reason above all."""
    assert project.is_dir()
    with pytest.raises(SystemExit) as stop:
        main(["baselines", *options])
    assert stop.value.code == 2


# --- a checkpoint's values ---


@pytest.fixture
def checkpoint(project: Path, repository: Repository) -> str:
    """Give a checkpoint of other values, behind which the project has moved on."""
    put(project, {"style.json": write(known(value=99.5, pinned="once")), "bad.json": b"{"})
    commit = repository.commit("good")
    tree = repository.git("rev-parse", "HEAD^{tree}").strip()
    measured = (
        judged("style", 99.9),
        judged("login", 99.1, metric="compliance"),
        judged("slow", 0.5, unit="s", environment=LINUX),
        judged("doubtful", 1.0, status=Status.TOO_FEW),
        judged("api", 0.0, metric="contract"),
    )
    ledger = Ledger(project)
    (verdict,) = ledger.append([Draft(event=judgment(tree, measurements=measured))])
    event = Checkpoint(at=at(60), name="v1", commit=commit, tree=tree, tag="refs/tags/v1", verdict=verdict)
    ledger.append([Draft(event=event)])
    put(project, {"style.json": write(known()), "bad.json": None})
    repository.commit("moved on")
    return "v1"


def test_a_baseline_is_pinned_at_what_held_in_a_checkpoint(project: Path, say: Say, checkpoint: str) -> None:
    """With who accepted it there; the file of its tree counts before what its verdict measured."""
    said = say("pin", "style", "--reason=for probation", "--checkpoint", checkpoint)
    assert said[0] == "pinned     style: 98.2 % -> 99.5 %, as in the checkpoint v1"
    assert take_shelf(project).baselines["style"] == known(value=99.5, pinned="for probation")
    assert last(project).checkpoint == "v1"
    assert last(project).changes == (BaselineChanged(name="style", act="pinned", was=98.2, now=99.5, unit="%"),)


def test_without_a_file_what_the_verdict_measured_is_pinned(project: Path, say: Say, checkpoint: str) -> None:
    """Where it said something of it; a damaged file there says nothing."""
    said = say("pin", "login", "slow", "--reason=back to it", "--checkpoint", checkpoint)
    assert said[:2] == [
        "pinned     login: none -> 99.1 %, as in the checkpoint v1",
        f"pinned     slow on {LINUX}: none -> 500 ms, as in the checkpoint v1",
    ]
    login = take_shelf(project).baselines["login"]
    assert (login.metric, login.unit, login.pinned) == ("compliance", "%", "back to it")
    assert login.accepted.reason == "measured at the checkpoint v1; back to it"
    for name, why in (
        ("doubtful", "the verdict that it stands on could say no more than too few samples"),
        ("api", "the verdict that it stands on kept no copy of the contract"),
        ("stile", "there is no baseline of 'stile'; did you mean \"style\"?"),
    ):
        (text,) = say("pin", name, "--reason=x", "--checkpoint", checkpoint, status=1)
        assert why in text
    (text,) = say("pin", "style", "--reason=x", "--checkpoint=v2", status=1)
    assert "no checkpoint is called 'v2'; known: v1" in text


def test_a_checkpoint_mends_a_damaged_file(project: Path, say: Say, checkpoint: str) -> None:
    """What it says now is of no interest then."""
    (project / FOLDER / "style.json").write_text("{", "utf-8")
    assert say("pin", "style", "--reason=x", "--checkpoint", checkpoint)[0].startswith(
        "pinned     style: none -> 99.5 %"
    )
    assert values(project)["style"] == 99.5


# --- invalidate ---


def test_a_withdrawn_baseline_is_gone_and_on_record(project: Path, say: Say) -> None:
    """The next gate has none."""
    said = say("invalidate", "style", "--reason=measured on a broken disk")
    assert said[0] == "withdrawn  style: 98.2 % -> none"
    assert not (project / FOLDER / "style.json").exists()
    assert (last(project).reason, last(project).changes[0].now) == ("measured on a broken disk", None)
    document = facts(say("invalidate", "search", "--environment", MAC, "--reason=x", "--json"))
    assert document.pop("id") == Ledger(project).tip()
    assert document == {
        "root": ".",
        "changes": [{"name": "search", "environment": MAC, "act": "withdrawn", "was": 0.009, "now": None, "unit": "s"}],
        "reason": "x",
        "checkpoint": None,
        "files": [f"search@{MAC}.json"],
        "note": None,
    }
    assert sorted(values(project)) == ["architecture", f"search@{LINUX}"]


def test_a_damaged_one_is_withdrawn_by_its_name_or_its_files(project: Path, say: Say) -> None:
    """Whatever it says; where several are meant, none is guessed."""
    folder = project / FOLDER
    for name in ("style", f"search@{MAC}", "lost", "Odd Name"):
        (folder / f"{name}.json").write_text("{", "utf-8")
    assert say("invalidate", "style", "--reason=x")[0] == "withdrawn  style: none"
    assert say("invalidate", "Odd Name.json", "--reason=x")[0] == "withdrawn  Odd Name.json: none"
    (text,) = say("invalidate", "search", "--reason=x", status=1)
    assert f"search has several files: search@{MAC}.json, search@{LINUX}.json; name one" in text
    say("invalidate", "search", "--reason=x", "--environment", MAC)
    assert f"search@{LINUX}" in values(project)
    say("invalidate", "search", "lost", "--reason=x", "--environment=all")
    assert sorted(path.name for path in folder.iterdir()) == ["architecture.json"]


# --- history ---


def test_what_was_measured_and_accepted_is_told_newest_first(project: Path, say: Say) -> None:
    """Of one metric and one project; what was not measured by then is left out."""
    ledger = Ledger(project)
    accepted = BaselineChanged(name="style", act="accepted", was=98.0, now=98.2, unit="%")
    ledger.append(
        [
            Draft(
                event=judgment(when=0, measurements=(judged(value=98.0), judged("other", 1.0)), commit="9be31d0" * 5)
            ),
            Draft(event=judgment(when=10, root="web", measurements=(judged(value=1.0),))),
            Draft(event=judgment(when=20, measurements=())),
            Draft(event=judgment(when=30, measurements=(judged(value=None, status=Status.INVALID),))),
            Draft(event=BaselineChange(at=at(40), changes=(accepted,), reason="better")),
            Draft(event=BaselineChange(at=at(50), changes=(accepted,), reason="better", root="web")),
            Draft(event=judgment(when=60, measurements=(judged(value=0.01, unit="s", environment=LINUX),))),
        ]
    )
    rows = [re.split(" {2,}", line) for line in say("history", "style")]
    assert [(row[0], *row[2:]) for row in rows] == [
        ("2026-11-21 12:01:00", "measured", "10 ms, held", LINUX),
        ("2026-11-21 12:00:40", "accepted", "98 % -> 98.2 %", "better"),
        ("2026-11-21 12:00:30", "measured", "no number, invalid"),
        ("2026-11-21 12:00:00", "measured", "98 %, held", "9be31d0"),
    ]
    assert len({len(line.partition(" measured ")[0]) for line in say("history", "style") if " measured " in line}) == 1
    assert say("history", "style", "-n", "3")[-1] == "and more before that; -n 6 tells more of it"
    assert len(say("history", "style", "-n4")) == len(say("history", "style", "--environment=all")) == 4
    assert len(say("history", "style", "--environment", LINUX)) == 1
    (text,) = say("history", "style", "--environment=mars", status=1)
    assert "but nothing of that on mars is on record" in text
    (text,) = say("history", "othr", status=1)
    assert text.endswith("nothing on record is called 'othr'; did you mean \"other\"?")
    document = facts(say("history", "style", "--json", "-n2"))
    assert (document["name"], document["root"], document["more"]) == ("style", ".", True)
    assert document["history"][1] == {
        "id": document["history"][1]["id"],
        "at": at(40),
        "by": None,
        "what": "accepted",
        "was": 98.0,
        "value": 98.2,
        "unit": "%",
        "environment": None,
        "status": None,
        "commit": None,
        "reason": "better",
    }


def test_log_and_show_tell_of_it(project: Path, say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    """As of any other event, and in the words of the act."""
    say("pin", "search", "--reason=for phase 2", "--environment=all")
    assert main(["log", "--kind=baselines"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("pinned search and 1 more")
    assert main(["show", "last"]) == 0
    assert capsys.readouterr().out.splitlines()[4:] == [
        "reason     for phase 2",
        f"pinned     search on {MAC}: 0.009 s",
        f"pinned     search on {LINUX}: 0.012 s",
    ]
    ledger = Ledger(project)
    change = BaselineChanged(name="style", act="accepted", was=None, now=98.2, unit="%")
    event = BaselineChange(at=at(9), changes=(change,), reason="better", root="api", verdict="2" * 40, checkpoint="v1")
    (kept,) = ledger.append([Draft(event=event)])
    assert main(["show", kept]) == 0
    assert capsys.readouterr().out.splitlines()[3:] == [
        "by         nobody that git knows",
        "reason     better",
        "project    api",
        f"verdict    {'2' * 40}",
        "checkpoint v1",
        "accepted   style: none -> 98.2 %",
    ]


# --- where there is no record ---


def test_outside_git_all_works_and_nothing_is_recorded(
    tmp_path: Path, say: Say, git_identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are all that there is, and that is said."""
    assert git_identity.exists()
    (tmp_path / "tests").mkdir()
    monkeypatch.chdir(tmp_path / "tests")
    shelve(tmp_path, known())
    assert len(say()) == 1
    note = "note       here is no git repository, so nothing was recorded"
    assert say("pin", "style", "--reason=x") == ["pinned     style: 98.2 %", note]
    assert facts(say("unpin", "style", "--json"))["id"] is None
    for options in (("history", "style"), ("pin", "style", "--reason=x", "--checkpoint=v1")):
        (text,) = say(*options, status=1)
        assert "here is no git repository, and elsewhere " in text
    assert say("invalidate", "style", "--reason=x") == ["withdrawn  style: 98.2 % -> none", note]
    assert values(tmp_path) == {}


def test_what_somebody_else_changes_meanwhile_is_not_written_over(
    project: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate may accept between the look and the change."""
    from pytest_rollback.cli import baselines_record

    def late(root: Path) -> Any:
        seen = take_shelf(root)
        shelve(root, structs.replace(known(), value=99.0))
        return seen

    monkeypatch.setattr(baselines_record, "take_shelf", late)
    (text,) = say("pin", "style", "--reason=x", status=1)
    assert text.endswith("style.json was changed by somebody else meanwhile; nothing was changed, try again")
    assert values(project)["style"] == 99.0
    assert Ledger(project).tip() is None


def test_where_it_cannot_be_signed_nothing_is_recorded(project: Path, say: Say, repository: Repository) -> None:
    """It is said that the files are changed all the same; a policy that can't be read changes nothing."""
    repository.write("pytest-rollback.toml", "sign = 3\n")
    assert "pytest-rollback.toml" in say("pin", "style", "--reason=x", status=1)[0]
    assert take_shelf(project).baselines["style"].pinned is None
    repository.write("pytest-rollback.toml", "sign = true\n")
    repository.git("config", "gpg.format", "ssh")
    repository.git("config", "user.signingKey", "/no/such/key")
    (text,) = say("pin", "style", "--reason=x", status=1)
    assert "the files are changed, but that is not on record: nothing was recorded: " in text
    assert take_shelf(project).baselines["style"].pinned == "x"
