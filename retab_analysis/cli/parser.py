"""The command line's commands and options; imports nothing that takes time to load."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from retab_analysis.arguments import read_moment, suggest_command, suggest_option
from retab_analysis.cli.console import USAGE, Console
from retab_analysis.errors import ConfigError
from retab_analysis.files import check_writable
from retab_analysis.markup import without_controls

DESCRIPTION = """\
Did a change of a Retab workflow break anything, since when, and how sure is that?

The key comes from --profile, else from RETAB_API_KEY, else from the default profile in
~/.retab/config.json. A profile's key goes to the profile's address. Any other key goes to
the address in RETAB_API_BASE_URL or RETAB_BASE_URL, by default https://api.retab.com.
To try it without a key, start an API on this machine: python -m retab_analysis.sandbox
"""

EXIT_CODES = """\
exit codes:
  0    the gate holds
  1    the gate does not hold
  2    it is undecided: an eval is suspect, in error or not run as it is now (--undecided)
  3    no answer (the network, the key, no such workflow), or a file could not be written
  4    the command line cannot be used
  130  interrupted; started runs go on, and are named
"""

CHECK = """\
Compares a run with the past of each eval, and names the evals that broke.

Without --candidate or --start it checks the workflow as it is now. The verdict goes to the standard
output, all other messages to the standard error. In GitHub Actions the job's summary gets the
report, and the reasons why the gate fails become annotations. With --since only newer breaks fail.
"""

SYNC = """\
Keeps runs, results, saved evals, versions and edits in one file on this machine. The first sync
reads everything, later ones only changes. Records that the server deletes stay in the file.
The file is --archive, else RETAB_ANALYSIS_ARCHIVE, else ~/.retab_analysis/archive.sqlite.
"""

DOCTOR = """\
Asks the API a small question for each assumption of this library, and says what follows if one
does not hold. It only reads. You can paste its output into an issue: of yours, it contains only
the address of the API, and the names of the profile and of the key's environment. It ends with 0
if everything holds, 1 if something differs, 3 if only a question got no answer.
"""

RUNS_OF_RESULTS = 20
"""How many runs ``results`` reads by default."""

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction["Parser"]


class Parser(argparse.ArgumentParser):
    """Ends with 4 if the command line cannot be used: 2 has another meaning here."""

    def print_help(self, file: Any = None) -> None:
        """Print the help; argparse would hide that it cannot be written."""
        Console().show(self.format_help().rstrip())

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what this command does not know, with its own usage; argparse shows another."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = sorted(each for each in self._option_string_actions if each[:2] == "--")
            hint = suggest_option(unknown[0], options)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return known, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Answer an unknown command with the line to type; argparse lists the commands."""
        choices = [*(action.choices or ())]
        if action.dest == "command" and value not in choices:
            self.error(f"there is no command {value[:30]!r}; {suggest_command(value, choices)}")
        super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        said = without_controls(message)
        console = Console()
        console.warn(f"{self.format_usage()}{self.prog}: {said}")
        console.tell_failure(self.prog, said)
        self.exit(USAGE)


def build_parser() -> Parser:
    parser = Parser(
        prog="retab-analysis",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    daily = (_add_check, _add_explain, _add_start, _add_watch, _add_cancel, _add_report)
    others = (_add_accept, _add_tries, _add_overview, _add_sync, _add_tables, _add_doctor)
    for add in (*daily, *others):
        add(commands)
    return parser


def _add(commands: _Commands, name: str, says: str, description: str | None = None) -> Parser:
    parser = commands.add_parser(
        name,
        help=says,
        description=description or f"{says[0].upper()}{says[1:]}.",
        epilog=EXIT_CODES if name == "check" else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="say nothing but errors")
    says = "ask with the key and address of this profile of ~/.retab/config.json"
    parser.add_argument("--profile", type=word, metavar="NAME", help=says)
    if name not in ("check", "cancel", "report", "overview", "sync", "doctor"):
        parser.add_argument(
            "workflow", type=word, metavar="WORKFLOW", help="the workflow's id or name"
        )
    return parser


def _add_check(commands: _Commands) -> None:
    parser = _add(commands, "check", "say whether a run broke anything", CHECK)
    add = parser.add_argument
    says = "the workflow's id or name"
    add("workflows", type=word, nargs="*", metavar="WORKFLOW", help=says)
    add("--start", action="store_true", help="start a run of the workflow as it is now, and wait")
    _add_only(parser, "with --start: ")
    parser.set_defaults(evals=None, blocks=None)
    says = "run undecided evals again, at most N runs"
    add("--settle", type=count, metavar="N", default=0, help=says)
    _add_sides(parser)
    _add_rule(parser)
    says = "the exit code if the gate is undecided: 0, 1 or 2 (default: 2)"
    add("--undecided", choices=("ok", "fail", "2"), default="2", help=says)
    says = "write a report, .md or .html"
    add("--report", type=report_file, action="append", default=[], metavar="PATH", help=says)
    says = "write a JUnit XML file, one case an eval"
    add("--junit", type=new_file, action="append", default=[], metavar="PATH", help=says)
    add("--json", action="store_true", help="print JSON, and nothing else, to standard output")
    _add_values(parser)


def _add_explain(commands: _Commands) -> None:
    says = "say in sentences what became of a workflow, or of one eval, and why"
    parser = _add(commands, "explain", says)
    says = "the eval's id or name, or a part of it; by default the whole verdict"
    parser.add_argument("eval", type=word, nargs="?", metavar="EVAL", help=says)
    _add_sides(parser)
    _add_values(parser)


def _add_start(commands: _Commands) -> None:
    parser = _add(commands, "start", "start runs of the workflow as it is now; prints their ids")
    add = parser.add_argument
    says = "only this eval, by its id or its whole name; may be repeated"
    add("--eval", type=word, action="append", dest="evals", metavar="ID", help=says)
    says = "only this block, by its id or its whole label; may be repeated"
    add("--block", type=word, action="append", dest="blocks", metavar="ID", help=says)
    _add_only(parser)
    add("--json", action="store_true", help="print JSON instead of ids")


def _add_cancel(commands: _Commands) -> None:
    parser = _add(commands, "cancel", "cancel runs that have not ended")
    parser.add_argument("runs", type=word, nargs="+", metavar="RUN", help="the id of a run")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def _add_report(commands: _Commands) -> None:
    says = "write the answer of a check to a file, or a page of all workflows"
    parser = _add(commands, "report", says)
    add = parser.add_argument
    says = "the workflow's id or name; with --all leave it out"
    add("workflow", type=word, nargs="?", metavar="WORKFLOW", help=says)
    add("report", type=report_file, nargs="*", metavar="PATH", help="the file, .md or .html")
    says = "one page of all workflows, with 13 weeks; the exit code is the gravest: 1, 3, 2, 0"
    add("--all", action="store_true", help=says)
    add("--markdown", action="store_true", help="print it as Markdown, for a message")
    _add_sides(parser)
    _add_rule(parser)
    _add_values(parser)


def _add_accept(commands: _Commands) -> None:
    parser = _add(commands, "accept", "write known and accepted failures into a file")
    add = parser.add_argument
    file = partial(new_file, suffixes=(".toml",))
    add("file", type=file, metavar="FILE", help="the file, .toml")
    add("--reason", type=word, required=True, metavar="TEXT", help="why they are accepted")
    add("--until", type=last_day, metavar="DATE", help="the last day, for example 2026-12-31")
    add("--who", type=word, metavar="NAME", help="who accepts them")
    says = "an eval; by default all that fail the gate now"
    add("--eval", type=word, action="append", dest="evals", metavar="ID", help=says)
    _add_sides(parser)


def _add_tries(commands: _Commands) -> None:
    parser = _add(commands, "tries", "show what each of the last edits of a block mended and broke")
    add = parser.add_argument
    add("block", type=word, metavar="BLOCK", help="the block's id or label")
    add("--last", type=count, metavar="N", default=5, help="the last N edits (default: 5)")
    add("--json", action="store_true", help="print JSON instead of text")
    _add_values(parser)
    _add_archive(parser)


def _add_overview(commands: _Commands) -> None:
    says = "show how all workflows stand, or the evals of some that do not pass"
    parser = _add(commands, "overview", says)
    says = "list this workflow's evals that do not pass, and why; by default all workflows"
    parser.add_argument("workflows", type=word, nargs="*", metavar="WORKFLOW", help=says)
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    _add_archive(parser)
    _add_output(parser, "write the table to a file, or to the standard output (-), instead of text")


def _add_sync(commands: _Commands) -> None:
    parser = _add(commands, "sync", "bring an archive on this machine up to date", SYNC)
    add = parser.add_argument
    add("workflows", type=word, nargs="*", metavar="WORKFLOW", help="the workflows' ids")
    add("--all", action="store_true", help="all workflows")
    add("--since", type=moment, metavar="DATE", help="only runs created then or later")
    add("--no-results", action="store_true", help="leave the results for a later sync")
    add("--refresh", action="store_true", help="read everything again")
    says = "then write the changed tables as Parquet files for other engines"
    add("--export", type=Path, metavar="DIRECTORY", help=says)
    _add_archive(parser)


def _add_tables(commands: _Commands) -> None:
    runs = _add(commands, "runs", "write a workflow's runs as CSV or Parquet, the newest first")
    results = _add(commands, "results", "write the results of a workflow's runs as CSV or Parquet")
    says = "only this run, instead of --from, --to, --status and --limit; may be repeated"
    results.add_argument("--run", type=word, action="append", dest="runs", metavar="ID", help=says)
    for parser, usual in ((runs, "all"), (results, RUNS_OF_RESULTS)):
        add = parser.add_argument
        says = "only runs created then or later"
        add("--from", type=moment, dest="from_date", metavar="DATE", help=says)
        says = "only runs created then or earlier"
        add("--to", type=moment, dest="to_date", metavar="DATE", help=says)
        says = "completed, running, …"
        add("--status", type=word, action="append", metavar="STATUS", help=says)
        says = f"only the newest N runs (default: {usual})"
        add("--limit", type=count, metavar="N", help=says)
        _add_output(parser, "write to this file instead of the standard output (-)")


def _add_watch(commands: _Commands) -> None:
    parser = _add(commands, "watch", "follow runs while they go on")
    says = "only this run, may be repeated; by default all that go on or start, until none goes on"
    parser.add_argument("--run", type=word, action="append", dest="runs", metavar="ID", help=says)
    _add_archive(parser)


def _add_doctor(commands: _Commands) -> None:
    parser = _add(commands, "doctor", "say whether the API is as this library assumes", DOCTOR)
    says = "the workflow to look at; by default the last changed one"
    parser.add_argument("workflow", type=word, nargs="?", metavar="WORKFLOW", help=says)
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def _add_only(parser: Parser, when: str = "") -> None:
    says = f"{when}only blocks that were edited since their evals ran last"
    parser.add_argument("--only", choices=("edited",), help=says)
    says = "do not ask before queueing many evals"
    parser.add_argument("--yes", "-y", action="store_true", help=says)


def _add_archive(parser: Parser) -> None:
    says = "sync and read this archive, created if need be (default: RETAB_ANALYSIS_ARCHIVE)"
    parser.add_argument("--archive", type=new_file, metavar="PATH", help=says)


def _add_sides(parser: Parser) -> None:
    _add_archive(parser)
    add = parser.add_argument
    says = "a version: draft (default), v5, published, a date; or a run (may be repeated)"
    add("--candidate", type=word, action="append", metavar="RUN", help=says)
    says = "compare with last_good (default: each eval's own past), a version, previous or a run"
    add("--baseline", type=word, default="last_good", metavar="WHAT", help=says)


def _add_rule(parser: Parser) -> None:
    says = "the transitions that fail the gate; they replace regressed,newly_blocked,incomplete"
    parser.add_argument("--fail-on", type=words, action="extend", metavar="WHAT", help=says)
    says = "how many evals may fail (default: 0)"
    parser.add_argument("--max-failures", type=count, metavar="N", default=0, help=says)
    says = "fail if fewer than this share pass, for example 0.95"
    parser.add_argument("--min-pass-rate", type=share, metavar="SHARE", help=says)
    says = "what broke before does not fail: a date, an age (7d), a version, an edit's name, a run"
    parser.add_argument("--since", type=word, metavar="WHEN", help=says)
    says = "a file of accepted failures, written by accept"
    parser.add_argument("--accepted", type=Path, metavar="FILE", help=says)


def _add_values(parser: Parser) -> None:
    says = "also show expected and actual values, the customers' data"
    parser.add_argument("--values", action="store_true", help=says)


def _add_output(parser: Parser, says: str) -> None:
    parser.add_argument("-o", "--output", type=table_file, metavar="FILE", help=says)
    says = "by default by the file's name: .parquet is Parquet, anything else CSV; .xlsx is refused"
    parser.add_argument("--format", choices=("csv", "parquet"), help=says)


def count(text: str) -> int:
    if not (text.isdecimal() and len(text) < 19):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text[:30]!r}")
    return int(text)


def share(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (number := float(text)) <= 1:
            return number
    raise argparse.ArgumentTypeError(f"must be from 0 to 1, for example 0.95, got {text[:30]!r}")


def new_file(text: str, suffixes: Sequence[str] = ()) -> Path:
    path = Path(text)
    if text == "-":
        raise argparse.ArgumentTypeError("must be a file, got '-'")
    try:
        if not path.parent.is_dir():
            raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
        if path.is_dir():
            raise argparse.ArgumentTypeError(f"{text!r} is a folder, not a file")
        check_writable(path)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: {error.strerror}") from None
    if suffixes and path.suffix.lower() not in suffixes:
        ends = " or ".join(suffixes)
        raise argparse.ArgumentTypeError(f"must end in {ends}, got {path.name!r}")
    return path


def table_file(text: str) -> Path:
    return Path(text) if text == "-" else new_file(text)


def report_file(text: str) -> Path:
    return new_file(text, (".md", ".html"))


def word(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"must be UTF-8, got {text!r}") from None
    if text.strip() in ("", ".", ".."):
        raise argparse.ArgumentTypeError(f"must be an id, a name or a text, got {text!r}")
    return text


def last_day(text: str) -> date:
    with contextlib.suppress(ValueError):
        return date.fromisoformat(text)
    raise argparse.ArgumentTypeError(f"must be a date such as 2026-12-31, got {text!r}")


def moment(text: str) -> str:
    """A date, which means the whole day, or a moment, in UTC if it has no zone; or an age."""
    with contextlib.suppress(ConfigError):
        read_moment("", text, datetime.now(UTC))
        return text
    raise argparse.ArgumentTypeError(
        f"must be a date such as 2026-12-31 or 2026-12-31T08:00, or an age as 30d; got {text!r}"
    )


def words(text: str) -> list[str]:
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise argparse.ArgumentTypeError(
            "must name at least one transition, for example regressed,suspect; leave the option "
            f"out for the default; got {text!r}"
        )
    return found
