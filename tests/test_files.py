"""Files are replaced whole or not at all; open ones stay open."""

from __future__ import annotations

import errno
import io
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.compared import THREE, compare_in
from support.csv_files import column
from support.inside import check_writable

from retab_analysis import ConfigError, read_csv, write_csv

FRAME, OTHER = column("new", "frame"), column("a", "longer", "frame")
COMPARISON = compare_in(THREE, "v1", "v3")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text("run_id\nold\n")
    return path


def values(path: Path) -> list[str]:
    return read_csv(path)["run_id"].to_list()


class Place:
    """A path of somebody else's making."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("kind", [str, Path, Place])
def test_a_path_is_written_and_read(path: Path, kind: type) -> None:
    assert write_csv(FRAME, kind(path)) is None
    assert_frame_equal(read_csv(kind(path)), FRAME)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "os.chmod"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(call, fail)
    with pytest.raises(type(error)):
        write_csv(FRAME, path)
    monkeypatch.undo()
    assert values(path) == ["old"]
    assert list(path.parent.iterdir()) == [path]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_the_permissions_stay(path: Path, mode: int) -> None:
    path.chmod(mode)
    with umask(0o077):
        write_csv(FRAME, path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert values(path) == ["new", "frame"]


def test_at_no_moment_can_others_read_what_takes_the_place_of_a_private_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chmod, seen = os.chmod, []

    def watched(name: Path, mode: int, **more: Any) -> None:
        seen.append(stat.S_IMODE(Path(name).stat().st_mode))
        chmod(name, mode, **more)

    monkeypatch.setattr(os, "chmod", watched)
    path.chmod(0o644)
    seen.clear()
    with umask(0):
        write_csv(FRAME, path)
    assert seen == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_new_file_obeys_the_umask(tmp_path: Path) -> None:
    with umask(0o027):
        write_csv(FRAME, tmp_path / "new.csv")
    assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o640


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_is_followed(path: Path, dangling: bool) -> None:
    link = path.parent / "links" / "latest.csv"
    link.parent.mkdir()
    link.symlink_to("../runs.csv")
    if dangling:
        path.unlink()
    write_csv(FRAME, link)
    assert link.is_symlink()
    assert not path.is_symlink()
    assert values(path) == values(link) == ["new", "frame"]
    assert list(link.parent.iterdir()) == [link]


def test_a_folder_that_cannot_be_synced_is_no_failure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, folders = os.fsync, []

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            folders.append(descriptor)
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    write_csv(FRAME, path)
    assert len(folders) == 1
    assert values(path) == ["new", "frame"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere/runs.csv", r"path: there is no folder '.*/nowhere' to write the file into"),
        ("file/runs.csv", r"path: there is no folder '.*/file' to write the file into"),
        ("folder", r"path '.*/folder' is a folder, not a file"),
        ("a\0b.csv", r"path '.*/a\\x00b\.csv' holds a character that no path can have"),
        ("\ud800.csv", r"path '.*/\\ud800\.csv' holds a character that no path can have"),
    ],
)
def test_69_a_path_that_cannot_be_written_to(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("a file")
    for path in (tmp_path / name, f"{tmp_path}/{name}"):
        with pytest.raises(ConfigError, match=f"^{words}$"):
            write_csv(FRAME, path)
        with pytest.raises(ConfigError, match=r"folder|no path can have|must end in \.toml"):
            COMPARISON.accept(path, reason="known")
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["file", "folder"]


def test_69_a_path_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder, not a file"):
        read_csv(tmp_path)
    with pytest.raises(ConfigError, match="holds a character that no path can have"):
        read_csv("a\0b.csv")
    with pytest.raises(FileNotFoundError, match=r"runs\.csv"):
        read_csv(tmp_path / "runs.csv")


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs a folder that takes no file")
def test_an_error_names_the_file_that_was_asked_for(path: Path) -> None:
    for write in (check_writable, lambda path: write_csv(FRAME, path)):
        with pytest.raises(FileNotFoundError, match=r"^\[Errno 2\] .*: '/proc/") as caught:
            write(Path("/proc/runs.csv"))
        assert ".tmp" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r": '/proc/runs\.csv'$"):
        write_csv(FRAME, "/proc/runs.csv")


def test_what_can_be_written_is_left_as_it_is(path: Path) -> None:
    pipe, twice = path.with_name("pipe"), path.with_name("twice")
    os.mkfifo(pipe)
    twice.hardlink_to(path)
    new = path.with_name("new.csv")
    for each in (path, pipe, twice, new, Path("/dev/null")):
        check_writable(each)
    assert values(path) == ["old"]
    assert {each.name for each in path.parent.iterdir()} == {path.name, "pipe", "twice"}
    with pytest.raises(ConfigError, match="is a folder"):
        check_writable(path.parent)


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[pl.DataFrame] = []
    reader = threading.Thread(target=lambda: got.append(read_csv(pipe)))
    reader.start()
    write_csv(FRAME, pipe)
    reader.join(10)
    assert_frame_equal(got[0], FRAME)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_concurrent_reader_sees_one_or_the_other(path: Path) -> None:
    write_csv(FRAME, path)
    done = threading.Event()

    def write() -> None:
        for turn in range(60):
            write_csv([OTHER, FRAME][turn % 2], path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(tuple(values(path)))
    writer.join()
    assert seen <= {tuple(FRAME["run_id"]), tuple(OTHER["run_id"])}


KILLED = """
import os, signal, sys
import polars as pl
from retab_analysis import write_csv

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[2], die)
write_csv(pl.DataFrame({"run_id": ["new", "frame"]}), sys.argv[1])
"""


@pytest.mark.parametrize(
    ("call", "expected"), [("fsync", ["old"]), ("replace", ["old"]), ("close", ["new", "frame"])]
)
def test_a_killed_process_leaves_the_old_file_or_the_new(
    path: Path, call: str, expected: list[str]
) -> None:
    # The only os.close is the folder's, after the new file has its name.
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), call], check=False)
    assert done.returncode == -signal.SIGKILL
    assert values(path) == expected
    write_csv(OTHER, path)
    assert_frame_equal(read_csv(path), OTHER)


def test_open_files_are_written_and_stay_open(tmp_path: Path) -> None:
    for mode, options in [
        ("w+", {"newline": "", "encoding": "utf-8"}),
        ("w+b", {}),
        ("w+b", {"buffering": 0}),
    ]:
        with (tmp_path / "open.csv").open(mode, **options) as file:
            file.write(file.read())
            write_csv(FRAME, file, excel=True)
            file.seek(0)
            assert_frame_equal(read_csv(file), FRAME)
            assert not file.closed


def test_line_ends_inside_cells_survive_a_text_file_that_would_translate_them(path: Path) -> None:
    frame = column("a\r\nb", "\r", "\n")
    write_csv(frame, path)
    with path.open(encoding="utf-8") as file:
        assert_frame_equal(read_csv(file), frame)
    path.write_bytes(b"# a remark\n" + path.read_bytes())
    with path.open(encoding="utf-8") as file:
        assert file.readline() == "# a remark\n"
        assert read_csv(file)["run_id"].to_list() == ["a\nb", "\n", "\n"]


@pytest.mark.parametrize("given", [1, None, b"runs.csv", object()])
def test_what_is_neither_a_path_nor_a_file_is_refused(given: object) -> None:
    kind = type(given).__name__
    for purpose, call in [
        ("writing", lambda: write_csv(FRAME, given)),
        ("reading", lambda: read_csv(given)),
    ]:
        with pytest.raises(
            ConfigError,
            match=f"^path: expected a str, a Path or a file open for {purpose}, got {kind}$",
        ):
            call()


def test_an_error_of_an_open_file_is_its_own(path: Path) -> None:
    with path.open() as file, pytest.raises(io.UnsupportedOperation, match="not writable"):
        write_csv(FRAME, file)
