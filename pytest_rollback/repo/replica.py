"""The repository of a scratch tree: it shares objects with the user's, and nothing else.

It is written anew each time, by hand: a test may have tagged, stashed or configured something in it, and of that
nothing may be left for the next one. Git is always told where it is, since a test may have taken `.git` away: git
would look for the next one above, and the next one above may be the user's.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from pytest_rollback.repo.plumbing import call
from pytest_rollback.repo.sweep import is_folder, remove

COPIED = re.compile(
    r"core\.(autocrlf|eol|safecrlf|symlinks|ignorecase|filemode|precomposeunicode|longpaths|protecthfs|protectntfs"
    r"|attributesfile|checkroundtripencoding)|filter\.(?!lfs\.).*",
    re.DOTALL,
)
PERSONAL = re.compile(r"(user|author|committer)\.(name|email)")
OF_REPOSITORY = (b"local", b"worktree")
# Nothing of these runs, watches or cleans behind a test's back, and no large file is ever fetched.
OWN = {
    "core.bare": "false",
    "core.hookspath": os.devnull,
    "core.fsmonitor": "false",
    "core.untrackedcache": "false",
    "core.trustctime": "true",
    "core.checkstat": "default",
    "core.sparsecheckout": "false",
    "core.splitindex": "false",
    "index.sparse": "false",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "filter.lfs.clean": "",
    "filter.lfs.smudge": "",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
}
FOLDERS = ("objects", "refs", "info")
FILES = ("HEAD", "config", "packed-refs", "index", "shallow", "attributes-digest", "prepared")
NO_BRANCH = "refs/heads/pytest-rollback"
NESTING = 5  # git follows alternates of alternates no further
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\b": "\\b"})
LONG = 600  # seconds: the first checkout of a large repository on a slow disk


class Origin(Struct, frozen=True, kw_only=True):
    """The user's repository, seen from one of its work trees."""

    top: Path
    common: Path


class Replica:
    """A repository of its own around a scratch tree."""

    def __init__(self, top: Path, origin: Origin) -> None:
        self.top = top
        self.origin = origin
        self.folder = top / ".git"
        self.config: dict[str, str] = {}

    def git(self, *arguments: str, feed: bytes = b"") -> bytes:
        """Run git in it, wherever `.git` may have gone."""
        extra = {"GIT_DIR": str(self.folder), "GIT_WORK_TREE": str(self.top)}
        return call(*arguments, cwd=self.top, extra=extra, feed=feed, seconds=LONG)

    def write(self, *, commit: str | None, branch: str | None) -> int:
        """Make it what a fresh clone would be, at a commit on a branch; objects stay with the user's repository.

        Says when the tree was last as it should be, in nanoseconds; 0 where nobody can tell.
        """
        self._clear()
        since = self._begin()
        self.config = self._copy_config()
        self.put("config", _render(self.config))
        self.put("objects/info/alternates", b"".join(_quoted(path) + b"\n" for path in _objects_of(self.origin)))
        for name in ("info/attributes", "info/exclude", "shallow"):
            self.copy(name)
        self.put("packed-refs", self._refs(commit, branch))
        head = commit if commit and branch is None else f"ref: {_ref_of(branch)}"
        self.put("HEAD", os.fsencode(f"{head}\n"))
        return since

    def end(self) -> None:
        """Note that the tree is as it should be, by the clock of its own file system."""
        self.put("prepared", b"")

    def attributes_digest(self, listed: Sequence[str]) -> str:
        """Sum up what turns blobs into files: the configuration, and attributes within the tree and without."""
        told = [*(f"{name}={value}" for name, value in sorted(self.config.items())), *listed]
        sums = hashlib.sha256("\0".join(told).encode(errors="surrogateescape"))
        with suppress(OSError):
            sums.update((self.folder / "info/attributes").read_bytes())
        return sums.hexdigest()

    def forget_index_unless(self, digest: str) -> None:
        """Have all files written anew where other attributes hold: git looks at blobs only, and would keep them."""
        stamp = self.folder / "attributes-digest"
        with suppress(OSError):
            if stamp.read_text("ascii") == digest:
                return
        (self.folder / "index").unlink(missing_ok=True)
        self.put(stamp.name, digest.encode("ascii"))

    def _clear(self) -> None:
        """Take away what tests or a killed git have left; what is no longer of its kind, a link for one, goes too."""
        if not is_folder(self.folder):
            remove(self.folder)
            self.folder.mkdir()
        self.folder.chmod(0o700)
        for entry in _entries(self.folder):
            kind = FOLDERS if entry.is_dir(follow_symlinks=False) else FILES
            if entry.name not in kind or entry.is_symlink():
                remove(Path(entry.path))
        for name in FOLDERS:
            for entry in _entries(self.folder / name):
                remove(Path(entry.path))
        for name in ("objects/info", "refs/heads", "refs/tags", "info"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def _begin(self) -> int:
        stamp = self.folder / "prepared"
        try:
            moment = stamp.lstat().st_mtime_ns
            stamp.unlink()
        except OSError:
            return 0
        return moment

    def _copy_config(self) -> dict[str, str]:
        """Copy what makes files out of blobs, and who commits where the repository itself says so."""
        told = call("config", "--list", "-z", "--show-scope", cwd=self.origin.top).split(b"\0")
        found = {}
        for scope, line in zip(told[::2], told[1::2], strict=False):
            key, equals, value = os.fsdecode(line).partition("\n")
            if COPIED.fullmatch(key) or (PERSONAL.fullmatch(key) and scope in OF_REPOSITORY):
                found[key] = value if equals else "true"
            elif key == "extensions.objectformat":
                found |= {key: value, "core.repositoryformatversion": "1"}
        return {"core.repositoryformatversion": "0"} | found | OWN

    def _refs(self, commit: str | None, branch: str | None) -> bytes:
        """List the user's branches and tags, with the branch that is checked out here at the given commit."""
        own = os.fsencode(_ref_of(branch))
        where = {"GIT_DIR": str(self.origin.common)}
        form = "--format=%(objectname) %(refname)"
        told = call("for-each-ref", form, "refs/heads", "refs/tags", cwd=self.origin.common, extra=where)
        refs = {name: oid for oid, _, name in (line.partition(b" ") for line in told.splitlines())}
        refs.pop(own, None)
        if commit and branch is not None:
            refs[own] = commit.encode("ascii")
        return b"".join(b"%b %b\n" % (refs[name], name) for name in sorted(refs))

    def copy(self, name: str) -> None:
        """Copy a file of the user's repository, or have none where it has none."""
        try:
            content = (self.origin.common / name).read_bytes()
        except OSError:
            (self.folder / name).unlink(missing_ok=True)
        else:
            self.put(name, content)

    def put(self, name: str, content: bytes) -> None:
        """Write a file whole, and never through a link or into a file that is there."""
        path = self.folder / name
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.write_bytes(content)
        fresh.replace(path)


def _ref_of(branch: str | None) -> str:
    return NO_BRANCH if branch is None else f"refs/heads/{branch}"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _objects_of(origin: Origin) -> list[bytes]:
    """List the folders that hold the user's objects: the repository's own, and those that it borrows from itself."""
    found: list[Path] = []
    coming = [(origin.common / "objects").resolve()]
    for _ in range(NESTING + 1):
        found += coming
        coming = [path for folder in coming for path in _borrowed(folder) if path not in found]
    return [os.fsencode(path) for path in found]


def _borrowed(folder: Path) -> list[Path]:
    try:
        lines = (folder / "info/alternates").read_bytes().split(b"\n")
    except OSError:
        return []
    paths = [_unquoted(line) for line in lines if line and not line.startswith(b"#")]
    return [(folder / os.fsdecode(path)).resolve() for path in paths]


def _quoted(path: bytes) -> bytes:
    """Write a path as git reads it in a list of them."""
    if not path.startswith((b'"', b"#")) and b"\n" not in path:
        return path
    return b'"' + b"".join(b"\\%03o" % byte if byte in b'\n"\\' else bytes([byte]) for byte in path) + b'"'


def _unquoted(line: bytes) -> bytes:
    if not (line.startswith(b'"') and line.endswith(b'"')):
        return line
    return line[1:-1].decode("unicode_escape").encode("latin-1")


def _render(config: dict[str, str]) -> bytes:
    """Write a configuration as git reads it."""
    text = ""
    for key, value in config.items():
        section, _, rest = key.partition(".")
        subsection, dot, name = rest.rpartition(".")
        head = f'{section} "{subsection.translate(ESCAPES)}"' if dot else section
        text += f'[{head}]\n\t{name} = "{value.translate(ESCAPES)}"\n'
    return os.fsencode(text)
