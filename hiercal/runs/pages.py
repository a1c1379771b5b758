"""Rows of an SQLite file read from its pages one by one, whatever else of the file is damaged.

Follows https://www.sqlite.org/fileformat2.html: a row is in a cell of a page of the tree, and what
is too long for the page goes on in a chain of overflow pages. Neither the file's header, its schema
nor the pages above are needed. What is read may be anything: the caller has to know its rows.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

USUAL = 4096
"""Bytes of a page that SQLite takes by default."""
LEAF, INDEX, INNER_INDEX = 0x0D, 0x0A, 0x02
"""Kinds of pages that hold rows: of a table, and of a table without row numbers."""
_INTEGERS = (0, 1, 2, 3, 4, 6, 8)

Row = tuple[Any, ...]


def rows(path: Path, columns: set[int]) -> Iterator[Row]:
    """Whatever looks like a row with one of these numbers of columns.

    Parameters
    ----------
    path : Path
    columns : set of int
    """
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        told = int.from_bytes(data[16:18])
        told = 65536 if told == 1 else told
        sizes = {USUAL, told} if told >= 512 and told & (told - 1) == 0 else {USUAL}
        for size in sizes:
            pages = _Pages(data, size)
            for number in range(1, pages.count + 1):
                yield from pages.rows(number, columns)


class _Pages:
    def __init__(self, data: mmap.mmap, size: int) -> None:
        self._data, self._size = data, size
        self.count = -(-len(data) // size)
        self._least = (size - 12) * 32 // 255 - 23
        self._most = {LEAF: size - 35, INDEX: (size - 12) * 64 // 255 - 23}
        self._most[INNER_INDEX] = self._most[INDEX]

    def rows(self, number: int, columns: set[int]) -> list[Row]:
        page = self._data[(number - 1) * self._size : number * self._size]
        at = 100 if number == 1 else 0
        # the byte that says the kind may be damaged itself
        kinds = sorted(self._most, key=lambda kind: page[at : at + 1] != bytes([kind]))
        for kind in kinds:
            cells = (self._row(page, place, kind) for place in _cells(page, at, kind))
            if found := [row for row in cells if row is not None and len(row) in columns]:
                return found
        return []

    def _row(self, page: bytes, at: int, kind: int) -> Row | None:
        try:
            if kind == INNER_INDEX:
                at += 4
            length, at = _varint(page, at)
            if kind == LEAF:
                _, at = _varint(page, at)
            return _record(self._payload(page, at, length, self._most[kind]))
        except (IndexError, ValueError, struct.error):  # not a row
            return None

    def _payload(self, page: bytes, at: int, length: int, most: int) -> bytes:
        if length > len(self._data):
            raise ValueError("longer than the file")
        if length <= most:
            return page[at : at + length]
        each = self._size - 4
        here = self._least + (length - self._least) % each
        here = here if here <= most else self._least
        parts, left = [page[at : at + here]], length - here
        following = int.from_bytes(page[at + here : at + here + 4])
        while left > 0:
            if not 0 < following <= self.count:
                raise ValueError("the chain is broken")
            start = (following - 1) * self._size
            part = self._data[start : start + 4 + min(left, each)]
            parts.append(part[4:])
            left -= each
            following = int.from_bytes(part[:4])
        return b"".join(parts)


def _cells(page: bytes, at: int, kind: int) -> Iterator[int]:
    """Places of the cells: their array ends where the first of them begins."""
    at += 12 if kind == INNER_INDEX else 8
    end = len(page)
    while at + 2 <= end:
        place = int.from_bytes(page[at : at + 2])
        at += 2
        if at <= place < len(page):
            end = min(end, place)
            yield place


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(9):
        byte = data[at + i]
        if i == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + i + 1
    raise ValueError("no end")


def _record(payload: bytes) -> Row:
    end, at = _varint(payload, 0)
    values, place = [], end
    while at < end:
        kind, at = _varint(payload, at)
        value, place = _value(payload, place, kind)
        values.append(value)
    return tuple(values)


def _value(payload: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (0, 8, 9):
        return (None if kind == 0 else kind - 8), at
    if kind in (10, 11):
        raise ValueError("no such type")
    size = _INTEGERS[kind] if kind < 7 else 8 if kind == 7 else (kind - 12) // 2
    data = payload[at : at + size]
    if len(data) < size:
        raise ValueError("cut short")
    if kind < 7:
        return int.from_bytes(data, signed=True), at + size
    if kind == 7:
        return struct.unpack(">d", data)[0], at + size
    return (data.decode() if kind % 2 else data), at + size
