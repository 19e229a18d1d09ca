"""Reading and writing files: a path is replaced whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from retab_analysis.arguments import check_path
from retab_analysis.errors import ConfigError

PathOrFile = str | os.PathLike[str] | IO[str] | IO[bytes]
Write = Callable[[IO[bytes]], object]

_DAY, _MOST = 86_400, 100
_EXPECTED = "a str, a Path or a file open for {}"


def load(source: PathOrFile) -> BinaryIO:
    """A binary file to read and close; text becomes UTF-8."""
    if isinstance(source, str | os.PathLike) or not hasattr(source, "read"):
        path = check_path("path", source, _EXPECTED.format("reading"))
        _look_at(path)
        return path.open("rb")
    if hasattr(source, "reconfigure"):
        # Otherwise Python turns every CR inside a cell into LF. If the caller has already read some
        # text, this cannot be changed any more.
        with contextlib.suppress(io.UnsupportedOperation):
            source.reconfigure(newline="")
    # An unbuffered one may give less than all at once.
    parts: Iterator[str | bytes] = itertools.takewhile(len, iter(source.read, None))
    encoded = (
        part.encode("utf-8", "surrogatepass") if isinstance(part, str) else bytes(part)
        for part in parts
    )
    return io.BytesIO(b"".join(encoded))


def save(target: PathOrFile, content: bytes | Write) -> None:
    """Write UTF-8 text to a path, whole or not at all, or to a file that is open.

    The content is the text, or a function that writes it into a binary file.
    """
    write = content if callable(content) else lambda file: file.write(content)
    if isinstance(target, str | os.PathLike) or not hasattr(target, "write"):
        _save_path(check_path("path", target, _EXPECTED.format("writing")), write)
    else:
        written = io.BytesIO()
        write(written)
        _save_open(target, written.getvalue())


def check_writable(path: Path) -> None:
    """Raise ConfigError for a folder, else OSError if the path cannot be written now."""
    before = _look_at(path)
    if before is None or stat.S_ISREG(before.st_mode):
        # Only trying tells: a missing permission is not the only obstacle.
        with tempfile.TemporaryFile(dir=path.resolve().parent):
            pass
    elif not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def tidy(found: Iterable[Path], used: Collection[Path] = ()) -> None:
    """Remove the files that were last used a day ago, or are not among the last hundred.

    A lazy frame over one of the others may still be waiting for ``collect``.
    """
    ages: list[tuple[float, Path]] = []
    with contextlib.suppress(OSError):
        ages += [(time.time() - each.stat().st_mtime, each) for each in found if each not in used]
    for number, (age, path) in enumerate(sorted(ages)):
        if age > _DAY or number >= _MOST:
            with contextlib.suppress(OSError):
                path.unlink()


def _save_open(file: IO[Any], data: bytes) -> None:
    # A file object does not say whether it takes text; an empty text changes nothing.
    try:
        file.write("")
    except TypeError:
        # An unbuffered file may take less than it is given.
        rest = memoryview(data)
        while rest:
            written = file.write(rest)
            rest = rest[len(rest) if written is None else written :]
    else:
        file.write(data.decode("utf-8"))


def _look_at(path: Path) -> os.stat_result | None:
    """The status of the path, links followed, or None if it does not exist."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"path {str(path)!r} is a folder, not a file")
    return found


def _save_path(path: Path, write: Write) -> None:
    before = _look_at(path)
    if before is not None and not stat.S_ISREG(before.st_mode):
        # Write into a pipe or a device: it must not become a regular file.
        with path.open("wb") as file:
            write(file)
        return
    target = path.resolve()
    if not target.parent.is_dir():
        folder = str(target.parent)
        raise ConfigError(f"path: there is no folder {folder!r} to write the file into")
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        _write_durably(temporary, write, before)
        temporary.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            # The caller does not know the temporary file. polars gives its errors no number.
            reason = error.strerror or str(error)
            raise OSError(error.errno or errno.EIO, reason, str(target)) from error
        raise
    # The new name survives a power cut, on systems where a folder can be synced.
    with contextlib.suppress(OSError):
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_durably(path: Path, write: Write, before: os.stat_result | None) -> None:
    def opener(name: str, flags: int) -> int:
        # Others must never be able to read the successor of a private file.
        return os.open(name, flags, 0o666 if before is None else 0o600)

    with open(path, "xb", opener=opener) as file:
        if before is not None:
            path.chmod(stat.S_IMODE(before.st_mode))
        write(file)
        file.flush()
        os.fsync(file.fileno())
