"""Policies that don't lie on disk: found among a tree's files as in folders, and read by the same code."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_rollback.policy.load import Written, choose_policy, find_policy, load_policy, places_of_policy
from pytest_rollback.policy.problems import PolicyError

OWN, SHARED = "pytest-rollback.toml", "pyproject.toml"
OURS = b'[tool.pytest-rollback]\nmode = "shadow"\n'
OTHERS = b'[project]\nname = "pytest-rollback-user"\n'
FOLDERS = ("", "packages/", "packages/one/", "packages/two/")
CONTENTS = st.sampled_from([OURS, OTHERS, b""])


@pytest.mark.parametrize("root", [".", ""])
def test_at_the_top_there_are_two_places(root: str) -> None:
    """The own file comes first."""
    assert places_of_policy(root) == [OWN, SHARED]


@pytest.mark.parametrize("root", ["a/b", "./a/b/"])
def test_below_the_top_each_folder_up_to_it_is_a_place(root: str) -> None:
    """In the order in which they are looked at."""
    assert places_of_policy(root) == [f"a/b/{OWN}", f"a/b/{SHARED}", f"a/{OWN}", f"a/{SHARED}", OWN, SHARED]


@given(
    st.dictionaries(st.sampled_from([folder + name for folder in FOLDERS for name in (OWN, SHARED)]), CONTENTS),
    st.sampled_from([".", "packages", "packages/one"]),
)
def test_what_is_chosen_is_what_would_be_found(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes], root: str
) -> None:
    """A tree and a folder with the same files have the same policy."""
    top = tmp_path_factory.mktemp("top")
    for name, content in {**contents, "packages/one/x": b"", "packages/two/x": b""}.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    found = find_policy(top / root, top)
    places = places_of_policy(root)
    chosen = choose_policy({name: contents[name] for name in reversed(places) if name in contents})
    assert (None if chosen is None else chosen.name) == (None if found is None else str(found.relative_to(top)))


def test_it_is_read_like_a_file(tmp_path: Path) -> None:
    """Same digest, same source: a verdict must not hang on where a policy was read."""
    path = tmp_path / SHARED
    path.write_bytes(OURS)
    on_disk, written = load_policy(path), load_policy(Written(f"packages/{SHARED}", OURS))
    assert written == on_disk
    assert written.source == SHARED
    assert load_policy(Written(OWN, b'mode = "shadow"\r\n')).digest == on_disk.digest


def test_it_may_tighten_and_no_more() -> None:
    """As a file that is named on the command line."""
    tighter = Written(OWN, b'[triggers.chat]\ndeadline = "1 min"\n')
    assert load_policy(Written(SHARED, OURS), tighter).source == f"{SHARED} + {OWN}"
    with pytest.raises(PolicyError, match=r"pyproject\.toml: tool\.pytest-rollback\.mode: .* may only tighten"):
        load_policy(None, Written(SHARED, OURS))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"mode = 3", "a/pytest-rollback.toml (at 4f1c2a9): mode: "),
        (b"mode = ", "a/pytest-rollback.toml (at 4f1c2a9): is not TOML: "),
        (b"\xff", "a/pytest-rollback.toml (at 4f1c2a9): is not UTF-8 (byte 0)"),
    ],
)
def test_what_is_wrong_is_said_with_whose_it_is(content: bytes, complaint: str) -> None:
    """A person would mend the file in the work tree, and wonder why nothing changes."""
    with pytest.raises(PolicyError) as caught:
        load_policy(Written(f"a/{OWN}", content, "at 4f1c2a9"))
    assert str(caught.value).startswith(complaint)


def test_a_misspelt_table_is_no_missing_one() -> None:
    """The shipped matrix would hold, unsaid."""
    with pytest.raises(PolicyError, match="did you mean"):
        choose_policy({SHARED: b"[tool.pytest_rollback]\n"}, "at the base")
