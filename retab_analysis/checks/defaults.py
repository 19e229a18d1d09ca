"""The defaults of a session, and the choice of a workflow's source: the API, or an archive.

No other module knows which of the two it is. The archive's modules are loaded only if there is one.
"""

from __future__ import annotations

import os
from types import EllipsisType
from typing import TYPE_CHECKING

from retab_analysis.arguments import check_flag, check_path
from retab_analysis.checks.source import Source
from retab_analysis.comparison.accepted import (
    GivenAccepted,
    accept_in_session,
    check_texts,
    read_accepted,
)
from retab_analysis.config import ARCHIVE_VARIABLE, show_values
from retab_analysis.errors import ConfigError
from retab_analysis.fetch.params import check_client, use_while
from retab_analysis.progress import Progress
from retab_analysis.transport import Client

if TYPE_CHECKING:
    from retab_analysis.archive import Archive

_archive: Archive | None = None


def use(
    client: Client | EllipsisType | None = ...,
    *,
    archive: Archive | str | os.PathLike[str] | EllipsisType | None = ...,
    accepted: GivenAccepted | EllipsisType = ...,
    values: bool | EllipsisType | None = ...,
    profile: str | EllipsisType | None = ...,
) -> None:
    """Set the defaults of this session; an argument that you leave out stays as it was.

    Args:
        client: The client that every function asks. None makes one at the next use, from the
            environment or the default profile.
        archive: An :class:`Archive`, or the path of its file, which is created if it does not
            exist. :func:`check`, ``overview``, ``watch`` and ``explore`` sync
            it first, and read it instead of the API: all runs, up to a million results. A
            result that does not decode counts as missing, with a warning. None goes back to the
            variable ``RETAB_ANALYSIS_ARCHIVE``; if that is not set either, they ask the API.
        accepted: Failures that every comparison knows from now on: ids or names of evals, or a file
            that ``Comparison.accept`` wrote. Each comparison reads the file again. None for none.
            The argument ``accepted=`` of a function wins.
        values: Whether notebook and terminal show expected and actual values, and the words of
            prompts. The argument ``values=`` of a function wins. None goes back to the variable
            ``RETAB_ANALYSIS_VALUES``, which hides them with ``0``. Frames always hold them.
        profile: Instead of ``client``: a client with the key and the address of this profile of
            ``~/.retab/config.json``. None has the same effect as ``client=None``.

    Raises:
        ConfigError: An argument has the wrong type, ``accepted`` cannot be read, the profile does
            not exist, or both ``client`` and ``profile`` were given. Then nothing was set.
        ArchiveError: The file is not an archive, or cannot be created. Then nothing was set.

    Example:
        >>> import retab_analysis as ra
        >>> ra.use(values=False)  # before you show a notebook to a guest
        >>> ra.use(values=None)
        >>> ra.use(archive="claims.sqlite")  # from now on checks read the whole history
        >>> ra.check("wf_claims").plan["why"].last()
        '... runs are in the archive'
        >>> ra.use(archive=None)
    """
    global _archive
    if values is not None and values is not ...:
        check_flag("values", values)
    if profile is not ...:
        if client is not ...:
            raise ConfigError("give either client or profile: each of them says whom to ask")
        client = None if profile is None else Client(profile=profile)
    if client is not ...:
        check_client(client)
    if accepted is not ... and not isinstance(accepted, str | os.PathLike):
        accepted = check_texts("accepted", () if accepted is None else accepted)
    known = None if accepted is ... else read_accepted(accepted)
    if archive is not ...:
        _archive = None if archive is None else _open(archive)
    if known is not None:
        accept_in_session(accepted)  # type: ignore[arg-type]
    if client is not ...:
        use_while(client, None)
    if values is not ...:
        show_values(values)


def _open(given: Archive | str | os.PathLike[str]) -> Archive:
    from retab_analysis.archive import Archive

    if isinstance(given, Archive):
        return given
    return Archive(check_path("archive", given, "an Archive, its path or None"))


def archive_or_default(archive: Archive | None = None) -> Archive | None:
    """The given archive, or the one from :func:`use`, or the one of the environment, or None."""
    if archive is None and (_archive is not None or not os.environ.get(ARCHIVE_VARIABLE)):
        return _archive
    from retab_analysis.archive import Archive

    if archive is not None and not isinstance(archive, Archive):
        got = type(archive).__name__
        raise ConfigError(f"archive must be an Archive or None, got {got}; open it: Archive(path)")
    return archive or Archive()


def open_source(
    client: Client,
    workflow_id: str,
    progress: Progress | bool | None = None,
    *,
    archive: Archive | None = None,
    strict: bool = True,
) -> Source:
    chosen = archive_or_default(archive)
    if chosen is None:
        return Source(client, workflow_id, strict=strict)
    from retab_analysis.checks.archive_source import ArchiveSource

    return ArchiveSource(chosen, client, workflow_id, progress, strict=strict)
