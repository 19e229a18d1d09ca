"""What a new user types first: it works, or fails with a sentence that has the right call.

A guess is code as it is typed. Where it fails, the call that the message names is typed out of the
message, and has to work.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.documents import workflow_document
from support.fakes import client_for
from support.faultserver import FaultServer, page, reply
from support.lettered_api import LetteredApi

import retab_analysis as ra

CLAIMS, EVAL = "Motor claims intake 🚗", "Hail: estimate 3480.50"
ALONE = "A9 pile-up: police report apart from photos"  # which was run by itself

# The first guess, and what holds of its ``answer``.
WORKING = [
    ('ra.fetch_runs("wf_claims", from_date="30d")', "0 < answer.height < 40"),
    ('ra.fetch_runs("wf_claims", from_date="12h")', "answer.width == 33"),
    ('ra.fetch_runs("wf_claims", to_date="2w")', "answer.height > 0"),
    (f"ra.fetch_runs({CLAIMS!r}, limit=3)", "answer.height == 3"),
    (f'ra.fetch_runs([{CLAIMS!r}, "wf_claims"], limit=2)', "answer.height == 2"),
    (f"ra.fetch_evals({CLAIMS!r})", "answer.height == 20"),
    (f"ra.fetch_versions({CLAIMS!r})", "answer.height > 0"),
    (f"ra.fetch_edits({CLAIMS!r})", "answer.height > 0"),
    (f'ra.fetch_config_changes({CLAIMS!r}, "v1", "published")', "answer.height"),
    (f"ra.check({CLAIMS!r})", "answer.gate().exit_code == 1"),
    (f'ra.check({CLAIMS!r}, baseline="v1", candidate="v2")', "' from v1 to v2' in answer.headline"),
    (f'ra.tries({CLAIMS!r}, "extract_claim")', "answer.frame.height > 0"),
    (f"ra.overview({CLAIMS!r})", "answer.workflow.height == 1"),
    (f"ra.start_runs({CLAIMS!r}, evals={EVAL!r})", "answer.height == 1"),
    (f'ra.fetch_runs("wf_claims", eval_id={ALONE!r})', "answer.height > 0"),
    (f"ra.open_document({EVAL!r}, workflow_id={CLAIMS!r})", "answer.name"),
    ("ra.open_document(verdict.evals)", "'first of' in repr(answer)"),
    ("ra.write_csv(verdict, file) or file.getvalue()", "'transition' in answer"),
    ("ra.write_excel(verdict, book) or book.getvalue()", "answer[:2] == b'PK'"),
    (f"verdict.values({EVAL!r})", "answer.height == 1"),
    ('ra.fetch_results(runs["run_id"][:2])', "answer['run_id'].n_unique() == 2"),
    ("ra.fetch_results(runs.to_dicts()[0])", "answer.height > 0"),
    ("ra.Sandbox().edit", "callable(answer)"),
    ('ra.check("motor claims")', "answer.gate().exit_code == 1"),
]
# The first guess, and the call in the message that does it.
FAILING = [
    ('ra.fetch_runs(status="failed")', 'runs.filter(pl.col("failed") > 0)'),
    ('ra.fetch_runs(exclude_status="failed")', 'runs.filter(pl.col("failed") == 0)'),
    ('ra.fetch_runs("wf_claims", from_date="1mo")', "'30d'"),
    ('ra.failures("wf_claims")', "ra.fetch_results(ra.fetch_runs('wf_claims', limit=10))"),
    ('ra.summarize_evals("wf_claims")', "ra.fetch_results(ra.fetch_runs('wf_claims', limit=10))"),
    ('ra.states("wf_claims")', "ra.fetch_results(ra.fetch_runs('wf_claims', limit=10))"),
    ('ra.summarize_runs("wf_claims")', "ra.fetch_runs('wf_claims')"),
    ('ra.plot_pass_rate("wf_claims")', "ra.fetch_runs('wf_claims')"),
    ('ra.plot_verdicts("wf_claims")', "ra.fetch_results(ra.fetch_runs('wf_claims', limit=10))"),
    ('ra.plot_comparison("wf_claims")', "ra.check('wf_claims')"),
    ('ra.fetch_results("wf_claims")', "fetch_runs('wf_claims')"),
    ("1 if verdict else 0", "verdict.gate().ok"),
    (f"ra.open_document({EVAL!r})", f'open_document({EVAL!r}, workflow_id="…")'),
    ('ra.start_runs("wf_claim")', "'wf_claims'"),
    ('ra.start_runs("wf_claims", evals="Hail: estimate")', repr(EVAL)),
    ('ra.check("wf_untitled")', "ra.start_runs('wf_untitled')"),
    ('ra.start_runs("wf_untitled")', "ra.start_runs('wf_untitled')"),
    ('ra.write_csv(verdict, "x.xlsx")', "write_excel"),
    (f"ra.fetch_runs(eval_id={EVAL!r})", f'fetch_runs("…", eval_id={EVAL!r})'),
    ('ra.settle("wf_claims")', "ra.check"),
    ('ra.check("wf_claims", baseline="v9")', "Published: v2 "),
    ('ra.check("wf_claims", baseline="v1", candidate="v7")', "Published: v2 "),
]
# Calls that say what is next, and cannot work before that is done.
LATER = ('ra.check("wf_untitled")', 'ra.start_runs("wf_untitled")')


@pytest.fixture(scope="module")
def cells() -> Iterator[dict[str, Any]]:
    """What a notebook has after its first cells."""
    with ra.Sandbox(speed=60) as sandbox, ra.Client(**sandbox.credentials) as client:
        verdict = ra.check("wf_claims", client=client)
        runs = ra.fetch_runs("wf_claims", limit=20, status="completed", client=client)
        names = {name: getattr(ra, name) for name in ra.__all__}
        yield {**names, "ra": ra, "pl": pl, "verdict": verdict, "runs": runs, "client": client}


@pytest.fixture
def typed(cells: dict[str, Any]) -> dict[str, Any]:
    ra.use(cells["client"])
    return cells


@pytest.mark.parametrize(("guess", "holds"), WORKING)
def test_it_works(guess: str, holds: str, typed: dict[str, Any]) -> None:
    here = {**typed, "file": io.StringIO(), "book": io.BytesIO()}
    answer = eval(guess, here)
    assert eval(holds, {**here, "answer": answer})


@pytest.mark.parametrize(("guess", "right"), FAILING)
def test_it_fails_with_the_right_call(
    guess: str, right: str, typed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((ra.ConfigError, ra.NotFoundError, TypeError)) as caught:
        eval(guess, typed)
    assert right in str(caught.value)
    assert "Starting" not in capsys.readouterr().err
    if guess not in LATER and re.search(r"[(.]", right) and right[0] != "'":
        eval(right.replace('"…"', '"wf_claims"'), typed)


@pytest.mark.parametrize(("age", "hours"), [("12h", 12), ("30d", 720), ("2w", 336), ("30 d", 720)])
def test_an_age_is_taken_wherever_a_date_is(age: str, hours: int) -> None:
    with FaultServer([reply(body=page([]))]) as server:
        ra.fetch_runs("wf_1", from_date=age, to_date="1h", limit=1, client=client_for(server.url))
        asked = server.queries[0]
    about = datetime.now(UTC) - timedelta(hours=hours)
    for name, moment in (("from_date", about), ("to_date", datetime.now(UTC) - timedelta(hours=1))):
        assert abs(datetime.fromisoformat(asked[name]) - moment) < timedelta(minutes=5)


def test_an_archive_takes_a_name_and_an_age(typed: dict[str, Any], tmp_path: Path) -> None:
    with ra.Archive(tmp_path / "kept.sqlite") as archive:
        archive.sync(CLAIMS, results=False, since="5d")
        kept = archive.scan_runs("wf_claims").collect()
        with pytest.raises(ra.ConfigError, match="keeps no names: give the id"):
            archive.scan_runs(CLAIMS)
    asked = ra.fetch_runs("wf_claims", from_date="5d")
    assert 0 < kept.height <= asked.height
    assert set(kept["run_id"]) <= set(asked["run_id"])


@pytest.mark.parametrize("age", ["30x", "d30", "-3d", "3m", "1mo", "30days"])
def test_another_unit_is_refused_with_those_that_there_are(age: str) -> None:
    with pytest.raises(
        ra.ConfigError, match=r"from_date .*'12h', '30d' or '2w' \(hours, days, weeks\)"
    ):
        ra.fetch_runs(from_date=age, client=client_for("http://127.0.0.1:9"))


def test_a_name_that_two_workflows_have_is_an_error_that_lists_them() -> None:
    both = [workflow_document(each, name="Invoices") for each in ("wf_a", "wf_b")]
    with FaultServer([reply(body=page(both))]) as server:
        for call in (ra.fetch_runs, ra.fetch_evals, ra.check, ra.start_runs, ra.fetch_versions):
            with pytest.raises(ra.ConfigError, match=r"2 workflows: .*wf_a.*wf_b"):
                call("Invoices", client=client_for(server.url))  # type: ignore[operator]
        assert not [each for each in server.requests if each.startswith("POST")]


def test_without_a_run_it_says_how_to_start_one() -> None:
    with LetteredApi({"one": "P", "two": "P"}) as api:
        api.runs.clear()
        with pytest.raises(
            ra.ConfigError, match=r"no run yet.*run = ra\.start_runs\('wf_letters'\)"
        ):
            api.check()
