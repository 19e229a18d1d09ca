"""What a newcomer types first works, or the error holds the line to type instead."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import polars as pl
import pytest
from support.documents import workflow_document
from support.fakes import client_for
from support.faultserver import FaultServer, page, reply
from support.inside import RESULTS, RUNS, TRANSITIONS, Gate, build_parser, read_synonyms

import retab_analysis as ra

CLAIMS = "Motor claims intake 🚗"
GUESSES = [
    line.split("\t")
    for line in (Path(__file__).parent / "data" / "first_guesses.txt").read_text().splitlines()
    if not line.startswith("#")
]
FUNCTIONS = [each for each in ra.__all__ if inspect.isfunction(getattr(ra, each))]
OWNERS: dict[str, Any] = {
    "ra": ra,
    "verdict": ra.Comparison,
    "view": ra.View,
    "archive": ra.Archive,
    "tries": ra.Tries,
    "overview": ra.Overview,
    "gate": Gate,
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a newcomer has after a few lines, in a sandbox of its own."""
    with pytest.MonkeyPatch.context() as patch, ra.Sandbox(speed=600) as sandbox:
        patch.chdir(tmp_path_factory.mktemp("newcomer"))
        client = ra.Client(**sandbox.credentials)
        ra.use(client)
        runs = ra.fetch_runs("wf_invoices", limit=20, progress=False)
        results = ra.fetch_results(runs, progress=False)
        view = ra.explore("wf_invoices")
        yield {
            "ra": ra,
            "client": client,
            "sandbox": sandbox,
            "runs": runs,
            "results": results,
            "pandas_runs": runs.to_pandas(),
            "pandas_results": results.to_pandas(),
            "verdict": ra.check("wf_invoices", progress=False),
            "view": view,
            "tries": ra.tries("wf_invoices", "extract_lines", progress=False),
        }
        view.close()


@pytest.fixture
def world(lines: dict[str, Any]) -> Iterator[dict[str, Any]]:
    ra.use(lines["client"])
    yield lines
    ra.use(None)


@pytest.mark.filterwarnings("ignore")
def test_a_first_guess_works_or_is_answered(world: dict[str, Any]) -> None:
    wrong = []
    for guess, expected in GUESSES:
        try:
            eval(guess, dict(world))  # the expressions of our own file
            said = "works"
        except Exception as error:
            said = str(error)
        is_dead = expected == "dead end" and said != "works"
        if not (is_dead or (said == "works" if expected == "works" else expected in said)):
            wrong.append((guess, expected, said))
    assert not wrong


def test_few_first_guesses_are_dead_ends() -> None:
    dead = [guess for guess, expected in GUESSES if expected == "dead end"]
    assert len(GUESSES) >= 120
    assert len(dead) <= 0.05 * len(GUESSES)


def names_of(owner: str) -> set[str]:
    known = OWNERS[owner]
    return {*ra.__all__} if owner == "ra" else {*dir(known), *known.__annotations__}


@pytest.mark.parametrize("owner", OWNERS)
def test_no_synonym_is_a_public_name(owner: str) -> None:
    assert not {*read_synonyms()[owner]} & names_of(owner)


def test_every_line_to_type_names_what_there_is() -> None:
    lines = [
        line
        for owner, words in read_synonyms().items()
        if owner not in ("arguments", "options")
        for line in words.values()
    ]
    wrong = [
        (owner, name)
        for line in lines
        for owner, name in re.findall(rf"\b({'|'.join(OWNERS)})\.([a-z]\w*)", line)
        if name not in names_of(owner)
    ]
    assert lines
    assert not wrong


def parameters_of(called: str) -> Mapping[str, object]:
    owner, _, name = called.partition(".")
    return inspect.signature(getattr(OWNERS[owner], name)).parameters


def test_every_argument_to_type_is_one() -> None:
    synonyms = read_synonyms()
    functions = [f"ra.{each}" for each in (*FUNCTIONS, "Client")]
    functions += ["verdict.values", "archive.sync"]
    known = {each for called in functions for each in parameters_of(called)}
    assert {one for words in synonyms["arguments"].values() for one in words.split()} <= known
    for called in (each for each in synonyms if "." in each):
        taken = {*parameters_of(called)}
        assert not {*synonyms[called]} & taken, called
        of_values = {
            re.split("[:=]", each)[0] for each in synonyms[called] if re.search("[:=]", each)
        }
        assert of_values <= taken, called


def test_every_column_and_transition_to_type_is_one() -> None:
    synonyms, columns = read_synonyms(), {*RUNS.schema, *RESULTS.schema, "version"}
    transitions = {each for words in synonyms["transitions"].values() for each in words.split()}
    named = (words for words in synonyms["columns"].values() if "=" not in words)
    assert {each for words in named for each in words.split()} <= columns
    assert transitions <= {*TRANSITIONS}
    assert not {*synonyms["columns"]} & {*columns} - {"version"}
    assert not {*synonyms["transitions"]} & {*TRANSITIONS}


def test_every_option_to_type_is_one() -> None:
    commands = next(each for each in build_parser()._actions if each.dest == "command").choices
    known = {
        one for parser in dict(commands or {}).values() for one in parser._option_string_actions
    }
    told = [*read_synonyms()["options"].values()]
    assert {one for words in told for one in words.split() if "retab-" not in words} <= known


def test_an_error_inside_a_property_stays() -> None:
    class Broken(ra.Comparison, called="verdict"):
        @property
        def evals(self) -> pl.DataFrame:
            raise AttributeError("the reason")

    with pytest.raises(AttributeError, match="the reason"):
        Broken.__new__(Broken).evals  # noqa: B018


def test_a_block_is_started_by_its_label(world: dict[str, Any]) -> None:
    label = ra.fetch_edits("wf_invoices", blocks="extract_lines")["block_label"][0]
    assert ra.start_runs("wf_invoices", blocks=label)["target_block_id"].item() == "extract_lines"


# Objects


@dataclass
class Record:
    """An object of another library."""

    id: str
    content: str = "customers' data " * 1_000


def test_an_object_with_an_id_is_its_id(world: dict[str, Any]) -> None:
    runs = world["runs"]
    flow, ids = Record("wf_invoices"), runs["run_id"].head(2).to_list()
    assert ra.fetch_results([Record(each) for each in ids], progress=False).height
    assert ra.fetch_run(run_id=Record(ids[0]))["run_id"].item() == ids[0]  # type: ignore[arg-type]
    assert ra.fetch_evals(flow).height == ra.fetch_evals("wf_invoices").height  # type: ignore[arg-type]
    one = world["verdict"].evals.row(0, named=True)
    assert world["verdict"].values(Record(one["eval_id"]))["eval_id"].item() == one["eval_id"]
    started = ra.start_runs(flow, evals=[Record(one["eval_id"])])  # type: ignore[arg-type, list-item]
    assert started["eval_id"].item() == one["eval_id"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_error_never_dumps_an_object(name: str, world: dict[str, Any]) -> None:
    function, hostile = getattr(ra, name), SimpleNamespace(content="customers' data " * 1_000)
    for each, parameter in inspect.signature(function).parameters.items():
        required = {
            other: "wf_invoices"
            for other, its in inspect.signature(function).parameters.items()
            if its.default is its.empty
        }
        with pytest.raises(
            (ra.RetabAnalysisError, TypeError, ValueError, AttributeError)
        ) as caught:
            function(**required | {each: hostile})
        assert "customers' data" not in str(caught.value), (each, parameter)


class Sdk:
    """A client of the official SDK, as far as a user passes it."""

    api_key = "sk_retab_secret_1234567890"


@pytest.mark.parametrize(
    "call",
    [lambda: ra.use(Sdk()), lambda: ra.fetch_runs("wf_invoices", client=Sdk())],  # type: ignore[arg-type]
)
def test_the_client_of_the_sdk_is_told_what_to_write(call: Any) -> None:
    with pytest.raises(
        ra.ConfigError, match=re.escape("ra.Client(api_key=…, base_url=…)")
    ) as caught:
        call()
    assert "secret" not in str(caught.value)


def test_documents_with_datetimes_decode() -> None:
    run = {
        "id": "run_1",
        "workflow_id": "wf_1",
        "workflow_version_id": "draft",
        "trigger": {"type": "api"},
        "lifecycle": {"status": "completed"},
        "timing": {"created_at": datetime(2026, 5, 18, 10, tzinfo=UTC)},
        "total_evals": 1,
    }
    assert ra.decode_runs([run])["created_at"].item() == datetime(2026, 5, 18, 10, tzinfo=UTC)


# Frames of pandas


def test_what_takes_a_frame_takes_one_of_pandas(world: dict[str, Any]) -> None:
    runs, results, verdict = world["runs"], world["results"], world["verdict"]
    of_results = results.to_pandas()
    broken = verdict.broken.to_pandas()
    assert ra.summarize_results(of_results).equals(ra.summarize_results(results))
    assert ra.eval_history(of_results).equals(ra.eval_history(results))
    assert ra.open_document(broken).name == ra.open_document(verdict.broken).name
    assert ra.open_document(broken.iloc[0]).name == ra.open_document(verdict.broken).name
    assert verdict.gate(accepted=broken).accepted == verdict.gate(accepted=verdict.broken).accepted
    assert ra.plot_pass_rate(of_results, by="block_id")
    newest = of_results["run_id"] == runs["run_id"][0]
    ours = ra.compare(results.filter(pl.col("run_id") != runs["run_id"][0]), results.head(95))
    theirs = ra.compare(of_results[~newest], of_results.head(95))
    assert theirs.evals.equals(ours.evals)
    started = ra.start_runs("wf_invoices", evals=broken)
    assert started["eval_id"].to_list() == verdict.broken["eval_id"].to_list()


def test_a_csv_of_pandas_reads_back(world: dict[str, Any], tmp_path: Path) -> None:
    ra.write_csv(world["runs"].to_pandas(), tmp_path / "ours.csv")
    assert ra.read_csv(tmp_path / "ours.csv").equals(world["runs"])
    world["runs"].write_csv(tmp_path / "theirs.csv")  # of polars, which takes nothing nested
    assert pd.read_csv(tmp_path / "theirs.csv").shape == world["runs"].shape


# The gate


def test_a_gate_is_a_sentence_with_its_reasons(world: dict[str, Any]) -> None:
    gate = world["verdict"].gate()
    assert str(gate).startswith("The gate fails. ")
    assert all(each in str(gate) for each in gate.reasons)


# Ages, names that two have, and what has not run


@pytest.mark.parametrize(("age", "hours"), [("12h", 12), ("30d", 720), ("2w", 336), ("30 d", 720)])
def test_an_age_is_taken_wherever_a_date_is(age: str, hours: int) -> None:
    with FaultServer([reply(body=page([]))]) as server:
        ra.fetch_runs("wf_1", from_date=age, to_date="1h", limit=1, client=client_for(server.url))
        asked = server.queries[0]
    about = datetime.now(UTC) - timedelta(hours=hours)
    for name, moment in (("from_date", about), ("to_date", datetime.now(UTC) - timedelta(hours=1))):
        assert abs(datetime.fromisoformat(asked[name]) - moment) < timedelta(minutes=5)


def test_an_archive_takes_a_name_and_an_age(world: dict[str, Any], tmp_path: Path) -> None:
    with ra.Archive(tmp_path / "kept.sqlite") as archive:
        archive.sync(CLAIMS, results=False, since="5d")
        kept = archive.scan_runs("wf_claims").collect()
        with pytest.raises(ra.ConfigError, match="keeps no names: give the id"):
            archive.scan_runs(CLAIMS)
    asked = ra.fetch_runs("wf_claims", from_date="5d")
    assert 0 < kept.height <= asked.height
    assert set(kept["run_id"]) <= set(asked["run_id"])


def test_a_name_that_two_workflows_have_is_an_error_that_lists_them() -> None:
    both = [workflow_document(each, name="Invoices") for each in ("wf_a", "wf_b")]
    with FaultServer([reply(body=page(both))]) as server:
        for call in (ra.fetch_runs, ra.fetch_evals, ra.check, ra.start_runs, ra.fetch_versions):
            with pytest.raises(ra.ConfigError, match=r"2 workflows: .*wf_a.*wf_b"):
                call("Invoices", client=client_for(server.url))  # type: ignore[operator]
        assert not [each for each in server.requests if each.startswith("POST")]
