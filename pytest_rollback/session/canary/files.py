"""Files, folders, streams and databases, read as they lie there."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from pytest_rollback.session.canary.parts import ObstacleError, Part, Parts

LARGEST = 64 * 1024 * 1024
MOST_ROWS = 1_000_000


def content_of(path: Path) -> bytes:
    """Read a file."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            msg = "is neither a file nor a folder, and was not read"
            raise ObstacleError(msg)
        check_size(about.st_size)
        return path.read_bytes()
    except FileNotFoundError:
        msg = f"names {path}, which is not there"
        raise ObstacleError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"names {path}, which can't be read ({type(error).__name__})"
        raise ObstacleError(msg) from None


def check_size(size: int) -> None:
    """Refuse what is too large to be looked through."""
    if size > LARGEST:
        msg = f"is larger than {LARGEST // 1024**2} MiB, and nobody looked through it; hand over what is new in it"
        raise ObstacleError(msg)


def parts_of_path(path: Path, is_plain: bool) -> Parts:  # noqa: FBT001 - called like all that list parts
    """List a folder's files with their names. A path that an object keeps to itself is only a name."""
    if not is_plain or not path.is_dir():
        return
    for inner in sorted(path.iterdir()):
        yield Part(inner.name, f"/{inner.name}")
        yield from _inside(inner, path)


def _inside(inner: Path, folder: Path) -> Parts:
    step = f"/{inner.name}"
    if inner.is_symlink():
        yield Part(str(inner.readlink()), f"{step} (link)")
        if not inner.is_dir():
            if inner.is_file():
                yield Part(inner, step)
        elif not inner.resolve().is_relative_to(folder.resolve()):
            why = "is a link to a folder elsewhere, which was not followed; hand over that folder as well"
            yield Part(ObstacleError(why), step)
    elif inner.is_dir() or inner.is_file():
        yield Part(inner, step)
    # What is neither (a socket, a pipe) keeps nothing.


def parts_of_stream(stream: Any, is_plain: bool) -> Parts:  # noqa: FBT001
    """Read a stream from its start and leave it where it was; or the file that it writes to."""
    try:
        if not stream.closed and stream.readable() and stream.seekable():
            return [Part(_read_again(stream))]
        if not stream.closed and stream.writable():
            stream.flush()
    except (OSError, ValueError):
        pass
    name = getattr(stream, "name", None)
    if isinstance(name, str) and Path(name).is_file():
        return [Part(Path(name))]
    if is_plain:
        msg = f"is a stream ({type(stream).__name__}) that can't be read twice; hand over its path or its text"
        raise ObstacleError(msg)
    return ()


def _read_again(stream: Any) -> str | bytes:
    where = stream.tell()
    try:
        stream.seek(0)
        read: str | bytes = stream.read(LARGEST + 1)
    finally:
        stream.seek(where)
    check_size(len(read))
    return read


def parts_of_database(database: Any, is_plain: bool) -> Parts:  # noqa: FBT001
    """List the tables of a sqlite3 connection with their rows."""
    cursor = database.cursor()
    cursor.row_factory = None
    for _, schema, _ in cursor.execute("pragma database_list").fetchall():
        names = "sqlite_temp_master" if schema == "temp" else f"{_quoted(schema)}.sqlite_master"
        tables = cursor.execute(f"select name from {names} where type = 'table' order by name").fetchall()  # noqa: S608
        for (table,) in tables:
            key = table if schema == "main" else f"{schema}.{table}"
            yield Part(_rows(cursor, f"{_quoted(schema)}.{_quoted(table)}"), key=key, is_plain=is_plain)


def _rows(cursor: Any, table: str) -> list[Any]:
    cursor.execute(f"select * from {table}")  # noqa: S608 - the name is the database's own, and quoted
    columns = [column[0] for column in cursor.description]
    rows: list[Any] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchmany(MOST_ROWS)]
    if cursor.fetchone() is not None:
        rows.append(ObstacleError(f"has more than {MOST_ROWS:,} rows, and nobody looked at the rest"))
    return rows


def _quoted(name: object) -> str:
    return '"' + str(name).replace('"', '""') + '"'
