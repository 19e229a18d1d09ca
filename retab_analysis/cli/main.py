"""The command line's entry point: from arguments to an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from retab_analysis.cli.console import (
    INTERRUPTED,
    NOT_ASKED,
    PIPE_CLOSED,
    USAGE,
    Console,
    UsageError,
)
from retab_analysis.cli.parser import build_parser
from retab_analysis.errors import ConfigError, RetabAnalysisError
from retab_analysis.markup import one_line, without_controls

if TYPE_CHECKING:
    from retab_analysis.cli.session import Session


def main(arguments: Sequence[str] | None = None, session: Session | None = None) -> int:
    """Run a command line, by default this process's; returns the exit code."""
    try:
        return _run(arguments, session)
    finally:
        _drop(sys.stdout)
        _drop(sys.stderr)


def _run(arguments: Sequence[str] | None, session: Session | None) -> int:
    parser = build_parser()
    try:
        options = parser.parse_args(arguments)
        if not options.version and options.command is None:
            parser.error("no command given; --help lists them")
    except SystemExit as ended:
        return int(ended.code or 0)
    except BrokenPipeError:  # of the help
        return PIPE_CLOSED
    except OSError as error:
        _drop(sys.stdout)
        Console().warn(f"Cannot write a file: {error}")
        return NOT_ASKED
    console = Console(quiet=getattr(options, "quiet", False))
    try:
        with _warnings_to(console):
            if options.version:
                from importlib.metadata import version

                console.show(f"retab-analysis {version('retab_analysis')}")
                return 0
            # Only after reading the arguments: these load polars, which takes a while.
            from retab_analysis.cli.commands import run_command
            from retab_analysis.cli.session import Session

            session = session or Session(profile=options.profile)
            return run_command(options, console, session)
    except UsageError as error:
        return _fail(options, console, session, USAGE, f"retab-analysis: {error}")
    except KeyboardInterrupt as interrupt:
        # The error of an unanswered start names the run that may go on.
        message = f"Interrupted. {interrupt}".rstrip()
        return _fail(options, console, session, INTERRUPTED, message)
    except BrokenPipeError:
        return PIPE_CLOSED
    except RetabAnalysisError as error:
        if isinstance(error, ConfigError) and error.argument:
            return _fail(options, console, session, USAGE, f"retab-analysis: {error}")
        return _fail(options, console, session, NOT_ASKED, f"No answer: {error}")
    except OSError as error:
        return _fail(options, console, session, NOT_ASKED, f"Cannot write a file: {error}")
    except Exception as error:
        # Python would end with 1, which means that the gate fails.
        message = f"A mistake of retab_analysis: {type(error).__name__}: {error}"
        return _fail(options, console, session, NOT_ASKED, message)


def _drop(stream: TextIO) -> None:
    """Drop unwritable output: at its end Python would try again, and end with 120."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (AttributeError, ValueError):
        pass  # it was closed before


def _fail(
    options: Namespace, console: Console, session: Session | None, code: int, message: str
) -> int:
    started, said = [*session.describe_started()] if session else [], without_controls(message)
    told = " ".join([f"{said.rstrip('.')}.", *started]) if started else said
    console.warn(told)
    if getattr(options, "json", False):
        # The standard output may be unwritable.
        with contextlib.suppress(OSError):
            console.show_json({"exit_code": code, "error": told})
    if code != INTERRUPTED and options.command == "check":
        named = options.workflows or ["no workflow"]
        console.tell_failure(f"Retab check of {one_line(', '.join(named))}", told)
    return code


@contextlib.contextmanager
def _warnings_to(console: Console) -> Iterator[None]:
    """Print warnings as messages, not as lines of our source."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: console.warn(f"Warning: {message}")
        yield
