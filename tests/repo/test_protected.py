"""Protected files: what a change did to them, the tree that they make, and copies that are no longer like them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Repository
from pytest_rollback.policy.rules import Drift
from pytest_rollback.repo.protected import altered, drifted, pathspecs, snapshot

ODD = 'schema/a "b"\n-ü*[1].json'


def tree_of(repository: Repository) -> str:
    """Commit all, and give the tree."""
    repository.commit()
    return repository.git("rev-parse", "HEAD^{tree}").strip()


def blob_of(repository: Repository, tree: str, path: str) -> str:
    """Name a file's content in a tree."""
    return repository.git("rev-parse", f"{tree}:{path}").strip()


@pytest.fixture
def base(repository: Repository) -> str:
    """Make a tree with protected files in it."""
    for name in ("schema/user.json", "schema/deep/x.json", ODD, "code.py", "sub/schema/y.json"):
        repository.write(name, name)
    return tree_of(repository)


def test_what_was_altered_or_lost_is_listed_with_its_blobs(repository: Repository, base: str) -> None:
    """A new one is no finding, and what no pattern names is nobody's concern."""
    repository.write("schema/user.json", "other")
    repository.write("schema/new.json", "new")
    repository.write("code.py", "other")
    (repository.path / ODD).unlink()
    now = tree_of(repository)
    assert altered(repository.path, base, now, ["schema/**"]) == [
        (ODD, blob_of(repository, base, ODD), None),
        (
            "schema/user.json",
            blob_of(repository, base, "schema/user.json"),
            blob_of(repository, now, "schema/user.json"),
        ),
    ]
    assert altered(repository.path, base, base, ["schema/**"]) == []
    assert altered(repository.path, base, now, []) == []


def test_a_renamed_file_is_missing_where_it_was(repository: Repository, base: str) -> None:
    """Whoever reads it there finds nothing."""
    repository.git("mv", "schema/user.json", "schema/person.json")
    (found,) = altered(repository.path, base, tree_of(repository), ["schema/*.json"])
    assert (found[0], found[2]) == ("schema/user.json", None)


def test_a_change_of_kind_is_one(repository: Repository, base: str) -> None:
    """A link with the same text, a script that may be run: neither is the file that it was."""
    path = repository.path / "schema/user.json"
    path.chmod(0o755)
    executable = tree_of(repository)
    was = blob_of(repository, base, "schema/user.json")
    assert altered(repository.path, base, executable, ["schema/**"]) == [
        ("schema/user.json", was, f"{was} (mode 100755)")
    ]
    path.unlink()
    path.symlink_to("schema/user.json")
    assert altered(repository.path, base, tree_of(repository), ["schema/**"]) == [
        ("schema/user.json", was, f"{was} (mode 120000)")
    ]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("schema/*", ["schema/user.json"]),
        ("schema", ["schema/deep/x.json", "schema/user.json"]),
        ("schema/", ["schema/deep/x.json", "schema/user.json"]),
        ("./schema/**", ["schema/deep/x.json", "schema/user.json"]),
        (".//schema//user.json", ["schema/user.json"]),
        ("**/*.json", ["schema/deep/x.json", "schema/user.json", "sub/schema/y.json"]),
        ("**/schema/**", ["schema/deep/x.json", "schema/user.json", "sub/schema/y.json"]),
        ("s*/user.json", ["schema/user.json"]),
        ("schema/[tu]ser.json", ["schema/user.json"]),
        ("Schema/**", []),
        (":(exclude)x", []),
        ("-x", []),
    ],
)
def test_patterns_mean_what_they_mean_to_git(repository: Repository, base: str, pattern: str, paths: list[str]) -> None:
    """With stars that stay inside a folder, and two that do not."""
    for name in ("schema/user.json", "schema/deep/x.json", "sub/schema/y.json"):
        repository.write(name, "other")
    found = altered(repository.path, base, tree_of(repository), [pattern])
    assert [path for path, _, _ in found] == paths


@pytest.mark.parametrize("root", ["sub", "./sub", "sub/"])
def test_patterns_are_seen_from_the_projects_root(repository: Repository, base: str, root: str) -> None:
    """A project may be one folder of a repository; paths are said as seen from its top, wherever one stands."""
    for name in ("schema/user.json", "sub/schema/y.json"):
        repository.write(name, "other")
    found = altered(repository.path / "sub", base, tree_of(repository), ["schema/**"], root)
    assert [path for path, _, _ in found] == ["sub/schema/y.json"]


def test_a_root_with_a_pattern_in_its_name_means_itself(repository: Repository) -> None:
    """`pages/[id]` is a folder."""
    repository.write("a[1]*/x", "1")
    repository.write("a1b/x", "1")
    before = tree_of(repository)
    repository.write("a[1]*/x", "2")
    repository.write("a1b/x", "2")
    found = altered(repository.path, before, tree_of(repository), ["*"], "a[1]*")
    assert [path for path, _, _ in found] == ["a[1]*/x"]
    assert pathspecs(["x"], "a?") == [":(top,glob)a\\?/x"]


def test_a_snapshot_holds_the_protected_files_at_their_places(repository: Repository, base: str) -> None:
    """And nothing else; the same files make the same tree, whatever lies beside them."""
    before = repository.git("status", "--porcelain=v2", "--branch")
    found = snapshot(repository.path, base, ["schema/**", "nothing/*"])
    listed = repository.git("ls-tree", "-r", "-z", str(found))
    expected = repository.git("ls-tree", "-r", "-z", base, "schema")
    assert listed == expected
    assert repository.git("status", "--porcelain=v2", "--branch") == before
    repository.write("code.py", "other")
    assert snapshot(repository.path, tree_of(repository), ["schema/**"]) == found


def test_there_is_no_snapshot_of_nothing(repository: Repository, base: str) -> None:
    """An empty tree would look like protected files that are all gone."""
    assert snapshot(repository.path, base, ["nothing/**"]) is None
    assert snapshot(repository.path, base, []) is None


def test_a_snapshot_keeps_modes_links_and_submodules(repository: Repository, base: str) -> None:
    """What is brought back from it must be what it was."""
    assert base
    (repository.path / "schema/link").symlink_to("user.json")
    (repository.path / "schema/user.json").chmod(0o755)
    repository.git("add", "--all")
    repository.git(
        "update-index", "--add", "--cacheinfo", f"160000,{repository.git('rev-parse', 'HEAD').strip()},schema/m"
    )
    tree = repository.git("write-tree").strip()
    found = snapshot(repository.path, tree, ["schema/**"])
    assert repository.git("ls-tree", "-r", str(found)) == repository.git("ls-tree", "-r", tree, "schema")


def test_a_bare_repository_has_snapshots(repository: Repository, base: str, tmp_path: Path) -> None:
    """A server has no work tree."""
    subprocess.run(["git", "clone", "-q", "--bare", str(repository.path), str(tmp_path)], check=True)
    assert snapshot(tmp_path, base, ["schema/**"]) == snapshot(repository.path, base, ["schema/**"])
    assert altered(tmp_path, base, base, ["schema/**"]) == []


def test_a_repository_of_longer_hashes_has_snapshots(git_identity: Path, tmp_path: Path) -> None:
    """Its empty tree has another name."""
    assert git_identity.exists()
    subprocess.run(["git", "init", "-q", "--object-format=sha256", "-b", "main", str(tmp_path)], check=True)
    repository = Repository(tmp_path)
    repository.write("schema/a", "1")
    repository.write("b", "1")
    tree = tree_of(repository)
    assert repository.git("ls-tree", "-r", "--name-only", str(snapshot(tmp_path, tree, ["schema/**"]))) == "schema/a\n"


def drift(*copies: str, source: str = "schema/user.json") -> list[Drift]:
    """Compare one source with its copies."""
    return [Drift(name="user", source=source, copies=copies)]


@pytest.fixture
def copies(repository: Repository) -> str:
    """Make a tree with copies in it."""
    for folder in ("schema", "a", "b", "deep/down"):
        repository.write(f"{folder}/user.json", "1")
    repository.write("a/v1/x", "1")
    repository.write("b/v1/x", "1")
    return tree_of(repository)


def said(repository: Repository, tree: str, drifts: list[Drift], root: str = ".") -> list[tuple[str, str]]:
    """Say what drifted."""
    return [(found.path, found.what) for found in drifted(repository.path, tree, drifts, root)]


def test_copies_that_are_alike_have_not_drifted(repository: Repository, copies: str) -> None:
    """A pattern that names the source as well is no harm."""
    assert said(repository, copies, drift("*/user.json", "deep/**", "**/user.json")) == []
    assert said(repository, copies, []) == []


def test_a_copy_that_differs_is_named(repository: Repository, copies: str) -> None:
    """Beside the source that it is not like."""
    assert copies
    repository.write("b/user.json", "2")
    assert said(repository, tree_of(repository), drift("*/user.json")) == [
        ("b/user.json", "is not like schema/user.json")
    ]
    assert said(repository, tree_of(repository), drift("a/user.json")) == []


def test_a_pattern_or_a_source_that_names_nothing_is_drift(repository: Repository, copies: str) -> None:
    """A copy that is gone can't be compared, and absence is never green."""
    assert said(repository, copies, drift("a/user.json", "c/*")) == [("c/*", "names no copy")]
    assert said(repository, copies, drift("schema/*")) == [("schema/*", "names no copy")]
    assert said(repository, copies, drift("a/*", source="gone")) == [("gone", "the source is not there")]


def test_folders_are_compared_as_a_whole(repository: Repository, copies: str) -> None:
    """One file more or less is drift."""
    assert said(repository, copies, drift("*/v1", source="a/v1/")) == []
    repository.write("b/v1/y", "")
    assert said(repository, tree_of(repository), drift("*/v1", source="a/v1")) == [("b/v1", "is not like a/v1")]
    assert said(repository, copies, drift("b/v1/x", source="a/v1")) == [("b/v1/x", "names no copy")]


def test_drift_is_seen_from_the_projects_root(repository: Repository, copies: str) -> None:
    """As all its patterns are."""
    assert said(repository, copies, drift("v1/*", source="user.json"), "a") == []
    assert said(repository, copies, drift("../b/*", source="user.json"), "a") == [("../b/*", "names no copy")]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("[ab]/user.json", ["a/user.json", "b/user.json"]),
        ("[!a]/user.json", ["b/user.json"]),
        ("[^a]/user.json", ["b/user.json"]),
        ("?/user.json", ["a/user.json", "b/user.json"]),
        ("**/down/*", ["deep/down/user.json"]),
        ("deep/**/user.json", ["deep/down/user.json"]),
        ("deep/**", ["deep/down/user.json"]),
        (r"\a/user.json", ["a/user.json"]),
        ("./a//user.json", ["a/user.json"]),
        ("[z-a]/user.json", []),
        ("[", []),
        ("*.json", []),
    ],
)
def test_patterns_of_copies_mean_what_gits_do(
    repository: Repository, copies: str, pattern: str, found: list[str]
) -> None:
    """One meaning of a pattern, wherever it stands in the policy: git is asked the same."""
    other = repository.path / "schema/user.json"
    other.write_text("other")
    tree = tree_of(repository)
    named = [path for path, what in said(repository, tree, drift(pattern)) if what != "names no copy"]
    assert named == found
    for path in ("a/user.json", "b/user.json", "deep/down/user.json"):
        repository.write(path, "changed")
    changed = [path for path, _, _ in altered(repository.path, copies, tree_of(repository), [pattern])]
    assert [path for path in changed if path != "schema/user.json"] == found
