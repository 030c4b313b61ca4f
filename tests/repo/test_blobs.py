"""Files read out of trees: as they are, whatever they are called, and nothing more than was asked for."""

from __future__ import annotations

import pytest

from conftest import Repository
from pytest_rollback.repo.blobs import changed_files, read_files, renames, sources_between
from pytest_rollback.repo.plumbing import GitError

ODD = ["a b.py", "-x.py", "ü.py", 'q"uote.py', "tab\t.py", "line\nend.py", "sub/missing", "x missing\ny"]


def commit(repository: Repository, **contents: bytes) -> str:
    """Commit some bytes; gives the tree."""
    for name, content in contents.items():
        path = repository.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    repository.commit()
    return repository.git("rev-parse", "HEAD^{tree}").strip()


def test_files_are_read_to_the_last_byte(repository: Repository) -> None:
    """What they hold looks like git's own answers now and then."""
    contents = {
        "empty": b"",
        "binary": bytes(range(256)) * 400,
        "sly": b"HEAD:gone missing\n\0\nabc blob 3\n",
        "no-end": b"x",
        **{name: name.encode() for name in ODD},
    }
    tree = commit(repository, **contents)
    asked = ["gone", *contents, "sub", "binary", "also/gone", "line\ngone", "", "nul\0"]
    assert read_files(repository.path, tree, asked) == contents
    assert read_files(repository.path, tree, reversed(ODD)) == {name: name.encode() for name in ODD}
    assert read_files(repository.path, tree, []) == {}


def test_links_are_followed_inside_the_tree(repository: Repository) -> None:
    """A policy may be a link; one that leads nowhere must not look like none."""
    repository.write("real.toml", "x = 1")
    for name, target in {
        "link": "real.toml",
        "twice": "link",
        "out": "/etc/hostname",
        "up": "../elsewhere",
        "dangling": "gone",
        "loop": "loop",
        "through": "real.toml/x",
    }.items():
        (repository.path / name).symlink_to(target)
    tree = commit(repository)
    found = read_files(
        repository.path, tree, ["link", "twice", "out", "up", "dangling", "loop", "through", "real.toml"]
    )
    assert found["link"] == found["twice"] == found["real.toml"] == b"x = 1"
    assert found["out"] == b"/etc/hostname"
    assert found["up"] == b"../elsewhere"
    assert set(found) == {"link", "twice", "out", "up", "dangling", "loop", "through", "real.toml"}
    assert all(found.values())


def test_a_tree_that_is_not_there_is_an_error(repository: Repository) -> None:
    """Its files must not look like none; nor must those of a folder that is no repository."""
    commit(repository, a=b"1")
    with pytest.raises(GitError, match="is not in this repository"):
        read_files(repository.path, "0" * 40, ["a"])
    with pytest.raises(GitError):
        read_files(repository.path / "nowhere", "HEAD", ["a"])


def test_renames_are_told_by_both_names(repository: Repository) -> None:
    """Of odd names too, edited a little or not at all, into another folder or not."""
    text = "".join(f"line {number}\n" for number in range(40)).encode()
    before = commit(repository, **{"a.py": text, "line\nend.py": text + b"x", "kept.py": b"kept"})
    repository.git("mv", "a.py", "b c.py")
    (repository.path / "deep").mkdir()
    repository.git("mv", "line\nend.py", "deep/ü.py")
    after = commit(repository, **{"b c.py": text + b"one more\n", "new.py": b"new"})
    assert renames(repository.path, before, after) == {"a.py": "b c.py", "line\nend.py": "deep/ü.py"}
    assert renames(repository.path, after, after) == {}
    assert changed_files(repository.path, before, after) == sorted(
        ["a.py", "b c.py", "deep/ü.py", "line\nend.py", "new.py"]
    )


def test_sources_are_read_by_the_paths_of_node_ids(repository: Repository) -> None:
    """Those are seen from pytest's root, which may be a folder of the repository or lie beside what was moved."""
    text = b"def test_x():\n    assert 1\n" * 9
    before = commit(repository, **{"pkg/a.py": text, "pkg/same.py": b"same", "top.py": text + b"#"})
    repository.git("mv", "pkg/a.py", "pkg/b.py")
    repository.git("mv", "top.py", "pkg/from_top.py")
    after = commit(repository, **{"pkg/bad.py": b"\xff"})
    sources = sources_between(repository.path, before, after, "pkg")
    assert (sources.before("a.py"), sources.now("a.py")) == (text.decode(), None)
    assert (sources.before("b.py"), sources.now("b.py")) == (None, text.decode())
    assert sources.before("same.py") == sources.now("same.py") == "same"
    assert sources.now("bad.py") == "\ufffd"
    assert dict(sources.renames) == {"a.py": "b.py", "../top.py": "from_top.py"}
    assert (len(sources.renames), sources.renames.get("x", "x")) == (2, "x")


def test_what_changed_is_read_at_once(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that moved is hundreds of files, and each process costs milliseconds."""
    names = [f"t{number}.py" for number in range(30)]
    before = commit(repository, **{name: name.encode() for name in names})
    after = commit(repository, **dict.fromkeys(names, b"now"))
    asked: list[int] = []

    def counting(_: object, tree: str, paths: list[str]) -> dict[str, bytes]:
        asked.append(len(paths))
        return read_files(repository.path, tree, paths)

    monkeypatch.setattr("pytest_rollback.repo.blobs.read_files", counting)
    sources = sources_between(repository.path, before, after)
    assert [sources.before(name) for name in names] == names
    assert {sources.now(name) for name in names} == {"now"}
    assert len(asked) == 2
