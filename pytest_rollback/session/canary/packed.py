"""Unpacks what is compressed, as far as a limit; it may lie anywhere inside other bytes."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Protocol

from pytest_rollback.session.canary.parts import ObstacleError

MOST = 16 * 1024 * 1024
PIECE = 16 * 1024
ZSTD = b"\x28\xb5\x2f\xfd"
KINDS = (b"\x1f\x8b\x08", b"BZh[1-9]1AY&SY", b"\xfd7zXZ\0", b"PK\x03\x04", re.escape(ZSTD), b"\x78[\x01\x5e\x9c\xda]")
SIGNS = re.compile(b"|".join(KINDS), re.DOTALL)
FEWEST = 12
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, struct.error)


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, most: int, /) -> bytes: ...


def unpack(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Unpack whatever begins anywhere in the data: the name of the packing, and what was in it."""
    view = memoryview(data)
    for sign in SIGNS.finditer(data):
        packed = view[sign.start() :]
        kind = sign[0]
        if kind == b"PK\x03\x04":
            yield from _zipped(packed)
            return  # the first member's sign stands for all of them
        if kind == ZSTD:
            msg = "is packed as zstd, which can't be unpacked here; hand over what is in it"
            raise ObstacleError(msg)
        name, unpacker = _unpacker(kind)
        unpacked = _inflate(unpacker, packed)
        if len(unpacked) >= FEWEST:
            yield name, unpacked


def _unpacker(kind: bytes) -> tuple[str, _Unpacker]:
    if kind.startswith(b"BZh"):
        return "bz2", bz2.BZ2Decompressor()
    if kind.startswith(b"\xfd"):
        return "xz", lzma.LZMADecompressor()
    return ("gzip", zlib.decompressobj(31)) if kind.startswith(b"\x1f") else ("zlib", zlib.decompressobj(15))


def _inflate(unpacker: _Unpacker, packed: memoryview) -> bytes:
    """Unpack as far as it goes: what is damaged or cut off gives what comes before the damage."""
    unpacked = bytearray()
    for start in range(0, len(packed), PIECE):
        piece = bytes(packed[start : start + PIECE])
        again = getattr(unpacker, "copy", None)  # zlib's alone, which throws away what it had where a checksum is wrong
        before = again() if again else None
        try:
            unpacked += unpacker.decompress(piece, MOST + 1 - len(unpacked))
        except (zlib.error, OSError, lzma.LZMAError, EOFError):
            unpacked += _bytewise(before, piece) if before else b""
            break
        if len(unpacked) > MOST:
            msg = f"unpacks to more than {MOST // 1024**2} MiB, which nobody looked through"
            raise ObstacleError(msg)
        if unpacker.eof:
            break
    return bytes(unpacked)


def _bytewise(unpacker: _Unpacker, piece: bytes) -> bytes:
    """Unpack byte by byte, up to the one that is wrong."""
    unpacked = bytearray()
    for at in range(len(piece)):
        try:
            unpacked += unpacker.decompress(piece[at : at + 1], MOST)
        except zlib.error:
            break
    return bytes(unpacked)


def _zipped(packed: memoryview) -> Iterator[tuple[str, bytes]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(bytes(packed)))
    except (*DAMAGED, NotImplementedError):
        return
    with archive:
        for member in archive.infolist():
            if member.file_size > MOST:
                msg = f"unpacks to more than {MOST // 1024**2} MiB, which nobody looked through"
                raise ObstacleError(msg)
            try:
                yield "zip", archive.read(member)
            except (RuntimeError, NotImplementedError) as error:
                msg = f"holds a zipped file that can't be read ({type(error).__name__}); hand over what is in it"
                raise ObstacleError(msg) from None
            except DAMAGED:
                continue
