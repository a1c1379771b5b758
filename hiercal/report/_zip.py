"""One file of many, with checksums: written the same from the same, read with suspicion."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from hiercal.errors import JournalError

CHECKSUMS = "CHECKSUMS"
DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file can hold."""
SHOWN = 5
"""Files that a message names."""
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
)
"""What reading a file raises that is no archive, or another than it was."""
_LINE = re.compile(r"(\\?)([0-9a-f]{64})  (.+)")


class BadArchive(JournalError):
    """An archive that is not what was written; the message says what is wrong with it."""


def write(path: Path, top: str, files: Mapping[str, Path | bytes]) -> str:
    """Write files as a zip file, whole or not at all; return its SHA-256.

    The same files give the same bytes: names are sorted, and times and rights are fixed.

    Parameters
    ----------
    path : Path
    top : str
        The folder that all files are in.
    files : mapping
        What is in each, or where it is, by its path. `CHECKSUMS` is added.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        sums = {}
        with zipfile.ZipFile(part, "w") as file:
            for name, content in sorted(files.items()):
                sums[name] = _put(file, f"{top}/{name}", content)
            _put(file, f"{top}/{CHECKSUMS}", checksums(sums).encode())
        digest = sha256(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return digest


def _put(file: zipfile.ZipFile, name: str, content: Path | bytes) -> str:
    """Put a file into an archive, and return its SHA-256."""
    info = zipfile.ZipInfo(name, DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    if isinstance(content, bytes):
        file.writestr(info, content)
        return hashlib.sha256(content).hexdigest()
    info.file_size = content.stat().st_size
    digest = hashlib.sha256()
    with content.open("rb") as source, file.open(info, "w") as target:
        while piece := source.read(2**20):
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums(sums: Mapping[str, str]) -> str:
    r"""Checksums by name as the text that ``sha256sum -c`` reads.

    Examples
    --------
    >>> checksums({"a\\b": "0" * 4, "c": "1" * 4})
    '\\0000  a\\\\b\n1111  c\n'
    """
    lines = []
    for name, digest in sums.items():
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
        lines.append(f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n")
    return "".join(lines)


def unpack(path: Path, folder: Path) -> None:
    """Unpack an archive into a folder that is not there yet, whole or not at all.

    Raises
    ------
    BadArchive
        If it is no archive of hiercal's, is damaged, or holds a name or a link that leads out of
        the folder. Nothing is left then.
    """
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        try:
            with zipfile.ZipFile(path) as file:
                members = _members(path, file)
                _check_room(path, part, members)
                for name, info in members.items():
                    target = part / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with file.open(info) as source, target.open("wb") as out:
                        shutil.copyfileobj(source, out, 2**20)
        except _DAMAGE as error:
            raise BadArchive(_not_whole(path, str(error))) from None
        verify(part, str(path))
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _not_whole(path: Path, why: str) -> str:
    if path.stat().st_size == 0:
        why = "it is empty"
    return (
        f"{path} is no zip file, or is damaged or cut short ({why}); fetch it again, and compare "
        "its SHA-256 with the one that its author gives"
    )


def _members(path: Path, file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Files of an archive by their path below its only folder."""
    members: dict[str, zipfile.ZipInfo] = {}
    tops = set()
    for info in file.infolist():
        name = info.orig_filename
        parts = PurePosixPath(name).parts
        mode = info.external_attr >> 16
        if (
            name.startswith("/")
            or "\0" in name
            or {"..", "."} & set(name.rstrip("/").split("/"))
            or any(re.match(r"[A-Za-z]:", each) for each in parts[1:2])
            or (os.sep != "/" and os.sep in name)
        ):
            raise BadArchive(f"{path} holds {name!r}, which leads out of its folder; do not use it")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BadArchive(f"{path} holds {name!r}, which is no plain file; do not use it")
        if info.flag_bits & 1:
            raise BadArchive(f"{path} is encrypted; hiercal archive writes none that is")
        tops.add(parts[0])
        if info.is_dir():
            continue
        inside = "/".join(parts[1:])
        if not inside or inside in members:
            raise BadArchive(
                f"{path} is no archive of hiercal's: {name!r} is in no folder, or twice"
            )
        members[inside] = info
    if len(tops) != 1 or CHECKSUMS not in members:
        raise BadArchive(
            f"{path} is a zip file, and no archive that hiercal archive wrote: it lacks {CHECKSUMS}"
        )
    return members


def _check_room(path: Path, folder: Path, members: Mapping[str, zipfile.ZipInfo]) -> None:
    size = sum(info.file_size for info in members.values())
    free = shutil.disk_usage(folder).free
    if size > free:
        raise BadArchive(
            f"{path} unpacks to {size / 1e9:,.1f} GB, and {folder.parent} has "
            f"{free / 1e9:,.1f} GB: make room, or give another --out"
        )


def verify(folder: Path, called: str = "") -> None:
    """Raise a BadArchive unless a folder holds what its checksums say, and nothing else."""
    try:
        text = (folder / CHECKSUMS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadArchive(
            f"{called or folder} is damaged: {CHECKSUMS} cannot be read ({error})"
        ) from None
    sums = {}
    for line in text.removesuffix("\n").split("\n"):
        if not (found := _LINE.fullmatch(line)):
            raise BadArchive(f"{called or folder} is damaged: {CHECKSUMS} holds {line[:80]!r}")
        escaped, digest, name = found.groups()
        sums[re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), name) if escaped else name] = (
            digest
        )
    there = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    } - {CHECKSUMS}
    wrong = [f"{name} is missing" for name in sorted(set(sums) - there)]
    wrong += [f"{name} is damaged" for name in sorted(there & set(sums))
              if sha256(folder / name) != sums[name]]  # fmt: skip
    wrong += [f"{name} does not belong there" for name in sorted(there - set(sums))]
    if wrong:
        more = f" and {n} more" if (n := len(wrong) - SHOWN) > 0 else ""
        raise BadArchive(
            f"{called or folder} is not what was written: {'; '.join(wrong[:SHOWN])}{more}. "
            "Fetch it again"
        )
