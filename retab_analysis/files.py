"""Bytes out of files and into files: a path is replaced whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import stat
from pathlib import Path
from typing import IO, Any

from retab_analysis.errors import ConfigError

PathOrFile = str | os.PathLike[str] | IO[str] | IO[bytes]


def load(source: PathOrFile) -> bytes:
    """Everything in a file, UTF-8 where an open file gives text.

    Raises:
        ConfigError: It is neither a path nor a file open for reading.
        OSError: It cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    if not hasattr(source, "read"):
        raise _unusable(source, "reading")
    if hasattr(source, "reconfigure"):
        # Otherwise Python turns every CR inside a cell into LF. Where the caller has read some of
        # the text already, it cannot be changed any more.
        with contextlib.suppress(io.UnsupportedOperation):
            source.reconfigure(newline="")
    data = source.read()
    return data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)


def save(target: PathOrFile, data: bytes) -> None:
    """Write UTF-8 text to a path, whole or not at all, or to a file that is open.

    Raises:
        ConfigError: It is neither a path nor a file open for writing.
        OSError: It cannot be written; what was at the path is still there.
    """
    if isinstance(target, str | os.PathLike):
        _save_path(Path(target), data)
    elif hasattr(target, "write"):
        _save_open(target, data)
    else:
        raise _unusable(target, "writing")


def _unusable(given: object, purpose: str) -> ConfigError:
    return ConfigError(
        f"path: expected a str, a Path or a file open for {purpose}, got {type(given).__name__}"
    )


def _save_open(file: IO[Any], data: bytes) -> None:
    # A file object does not say whether it takes text; an empty text changes nothing.
    try:
        file.write("")
    except TypeError:
        _write_bytes(file, data)
    else:
        file.write(data.decode("utf-8"))


def _write_bytes(file: IO[bytes], data: bytes) -> None:
    """Write all of it: an unbuffered file may take less than it is given."""
    rest = memoryview(data)
    while rest:
        written = file.write(rest)
        rest = rest[len(rest) if written is None else written :]


def _save_path(path: Path, data: bytes) -> None:
    mode = _mode(path)
    if mode is None or stat.S_ISREG(mode):
        _replace(path.resolve(), data, mode)
    else:
        # A pipe or a device is written to: it must not become a regular file.
        path.write_bytes(data)


def _mode(path: Path) -> int | None:
    """The mode of what is at the path, links followed, or None if there is nothing."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "Is a folder, not a file", str(path))
    return mode


def _replace(target: Path, data: bytes, mode: int | None) -> None:
    if not target.parent.is_dir():
        folder = str(target.parent)
        raise FileNotFoundError(errno.ENOENT, "No such folder to write the file into", folder)
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        _write_durably(temporary, data, mode)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _write_durably(path: Path, data: bytes, mode: int | None) -> None:
    # The permissions are set when the file is made: at no moment can others read a private one.
    permissions = 0o666 if mode is None else stat.S_IMODE(mode)

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, permissions)

    with open(path, "xb", opener=opener) as file:
        if mode is not None:
            path.chmod(permissions)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, on systems where a folder can be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
