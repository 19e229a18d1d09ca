"""What is read from an archive, where there is one: all runs there ever were, in few requests."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.faultserver import reply
from support.lettered_api import FLOW, HOUR, LetteredApi, alike, using
from support.studied import with_studies

import retab_analysis as ra


def row(made: ra.Comparison, eval_id: str = "a") -> dict[str, Any]:
    return made.evals.row(by_predicate=pl.col("eval_id") == eval_id, named=True)


@pytest.mark.parametrize("n", with_studies((35, 200), (200,)))
def test_a_break_has_its_date_whatever_is_checked_and_held_against(
    n: int, archive: ra.Archive
) -> None:
    begun = n - 25
    letters = {"a": "P" * begun + "F" * 20 + "C" * 5, **alike(3, "P" * n)}
    codes = "A" * begun + "B"
    with LetteredApi(letters, codes=codes, published="A", memory=False) as api:
        newest = ra.fetch_runs(FLOW, limit=2, client=api.client)
        candidates = (None, f"run_{n - 6}", "draft", [f"run_{n - 8}", f"run_{n - 7}"], newest)
        for candidate in candidates:
            found = row(api.check(archive=archive, candidate=candidate))
            assert found["since_run_id"] == f"run_{begun}"
            assert found["transition"] == "regressed"
        for baseline in ("published", "v1", "run_2", ["run_2", "run_3"]):
            made = api.check(archive=archive, baseline=baseline)
            assert row(made)["since_run_id"] == f"run_{begun}"
            assert not made.gate().ok
            assert "at the latest" not in str(made) + made.explain()
        for candidate in ("v1", "published", f"run_{begun - 1}"):
            assert api.check(archive=archive, candidate=candidate).gate().ok
        api.run("UPPP")
        assert row(api.check(archive=archive))["since_run_id"] == f"run_{begun}"
        for _ in range(3):
            api.run("PPPP")
        assert api.check(archive=archive).gate().ok


@pytest.mark.parametrize(
    ("evals", "codes"),
    [
        ({"a": "P" * 12 + "F" * 3}, "A" * 12 + "B"),
        ({"a": "P" * 15}, "A"),
        ({"a": "PPFPPPPFPPPPPPF"}, "A"),
    ],
)
def test_a_check_takes_six_requests_after_a_sync(
    evals: dict[str, str], codes: str, archive: ra.Archive
) -> None:
    others = alike(99, "P" * 15)
    with LetteredApi({**evals, **others}, codes=codes, published="A") as api:
        archive.sync(FLOW, client=api.client, progress=False)
        api.asked.clear()
        api.check(archive=archive)
        assert len(api.asked) <= 6
        api.run("P" * 100, after=HOUR)
        api.asked.clear()
        assert row(api.check(archive=archive))["candidate_state"] == "passed"
        assert len(api.asked) <= 9  # the run has a page of results, and the evals have changed


def test_what_the_server_forgot_counts_and_what_somebody_deleted_does_not(
    archive: ra.Archive,
) -> None:
    letters = {"a": "P" * 10 + "F" * 3, **alike(3, "P" * 13)}
    with LetteredApi(letters, memory=False) as api:
        api.check(archive=archive)
        del api.runs[:10]  # all in which it passed
        assert row(api.check())["transition"] == "still_failing"
        archive.sync(FLOW, client=api.client, progress=False, refresh=True)
        assert row(api.check(archive=archive))["transition"] == "regressed"
    with LetteredApi({"a": "PPPPPPFPPP", **alike(3, "P" * 10)}) as api:
        other = ra.Archive(archive.path.with_name("other.sqlite"))
        api.check(archive=other)
        del api.runs[6]  # by somebody who knew why
        other.sync(FLOW, client=api.client, progress=False, refresh=True)
        assert "run_6" not in api.check(archive=other).plan["run_id"]


def test_a_deleted_eval_is_not_told_of(archive: ra.Archive) -> None:
    with LetteredApi({"a": "P" * 5 + "F", **alike(3, "P" * 6)}) as api:
        api.check(archive=archive)
        api.remove("a")
        plain, kept = api.check().evals, api.check(archive=archive).evals
        assert kept["transition"].to_list() == plain["transition"].to_list()
    with LetteredApi({"a": "P", **alike(3, ".PP")}, scopes="EW") as api:
        other = ra.Archive(archive.path.with_name("other.sqlite"))
        api.check(archive=other)
        api.remove("a")  # and with it the oldest run
        assert "run_0" not in api.check(archive=other).plan["run_id"]


def test_an_archive_is_set_for_the_session_and_taken_back(
    archive: ra.Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def where() -> str:
        why: str = api.check().plan["why"][-1]
        return why

    with LetteredApi(alike(3, "P" * 5)) as api:
        plain = where()
        ra.use(archive=archive)
        assert where() == "5 runs are in the archive"
        ra.use(values=True)  # what is left out stays
        for wrong in (7, ["a.sqlite"]):
            with pytest.raises(ra.ConfigError, match="archive: expected an Archive, its path or"):
                ra.use(archive=wrong, values=False)  # type: ignore[arg-type]
        with pytest.raises(ra.ArchiveError, match="is its folder there"):
            ra.use(archive=tmp_path / "not" / "there.sqlite")
        assert where() == "5 runs are in the archive"
        ra.use(archive=None)
        assert where() == plain
        for path in (tmp_path / "other.sqlite", str(tmp_path / "third.sqlite")):
            ra.use(archive=path)
            assert where() == "5 runs are in the archive"
            assert ra.Archive(path).scan_runs().collect().height == 5
        # The one that was set goes before that of the environment, and None goes back to that.
        monkeypatch.setenv("RETAB_ANALYSIS_ARCHIVE", str(tmp_path / "fourth.sqlite"))
        where()
        assert not (tmp_path / "fourth.sqlite").exists()
        ra.use(archive=None)
        where()
        assert ra.Archive(tmp_path / "fourth.sqlite").scan_runs().collect().height == 5


def test_without_an_archive_none_of_its_modules_is_loaded() -> None:
    program = """
import sys
import retab_analysis as ra

def loaded():
    return [each for each in sys.modules if "archive" in each or each == "sqlite3"]

ra.demo()
ra.use(archive=None)
ra.check("wf_claims", progress=False)
ra.overview(progress=False)
view = ra.explore("wf_claims")
view.wait(60)
view.close()
assert loaded() == [], loaded()
ra.use(archive=sys.argv[1])
assert "retab_analysis.archive.mirror" in loaded(), loaded()
"""
    line = [sys.executable, "-c", program, str(Path("a.sqlite"))]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(line, check=True, cwd=folder)


@pytest.mark.parametrize(
    ("what", "status"),
    with_studies(
        product(("evals", "versions", "evals/runs", "evals/results"), (404, 500)),
        [("evals", 404), ("versions", 500), ("evals/results", 404)],
    ),
)
def test_what_cannot_be_read_is_the_same_error_and_the_next_check_is_right(
    what: str, status: int, archive: ra.Archive
) -> None:
    letters = {"a": "P" * 4 + "F" * 4, **alike(4, "P" * 8)}
    with LetteredApi(letters, codes="AAAAB", published="A", max_attempts=2) as api:
        for _ in range(2):  # before anything is kept, and after that
            api.broken[f"GET /v1/workflows/{what}?"] = reply(status, {"detail": "away"})
            plain, kept = (conclude(api, archive=each) for each in (None, archive))
            assert kept == plain
            assert (what == "versions") == (len(kept) == 3)
            api.broken.clear()
            plain, kept = (conclude(api, archive=each) for each in (None, archive))
            assert kept == plain
            assert len(kept) == 3
            assert archive.scan_versions().collect()["workflow_version_id"].to_list()
            api.run("FPPPP")


@pytest.mark.parametrize(
    ("which", "bad"), [("run_7", {"counts": "x"}), ("run_2", {"counts": "x"}), ("a", {"name": 7})]
)
def test_a_run_or_an_eval_that_does_not_decode_is_not_left_out(
    which: str, bad: dict[str, Any], archive: ra.Archive
) -> None:
    with LetteredApi({"a": "P" * 7 + "F", **alike(4, "P" * 8)}) as api:
        for _ in range(2):
            api.change(which, **bad)
            for each in (None, archive, archive):
                with pytest.raises(ra.SchemaError, match=which):
                    api.check(archive=each)
            api.change(which, **(dict.fromkeys(bad) if which == "a" else {"counts": None}))
            assert row(api.check(archive=archive))["candidate_state"] == "failed"


def conclude(api: LetteredApi, **more: Any) -> tuple[Any, ...]:
    """What a check says, or which error it is."""
    try:
        made = api.check(**more)
    except ra.RetabAnalysisError as error:
        return type(error), getattr(error, "status", None)
    return str(made), made.gate().reasons, made.gate().ok


def test_an_overview_reads_what_is_kept(archive: ra.Archive) -> None:
    with LetteredApi({"a": "P" * 40 + "F", **alike(3, "P" * 41)}) as api:
        plain = ra.overview(client=api.client, progress=False)
        ra.use(archive=archive)
        ra.overview(client=api.client, progress=False)
        api.asked.clear()
        kept = ra.overview(client=api.client, progress=False)
        assert not any("results" in each for each in api.asked)
        assert_frame_equal(kept.frame, plain.frame)


def test_a_view_reads_what_is_kept_also_once_the_archive_is_left(archive: ra.Archive) -> None:
    with LetteredApi({"a": "P" * 40 + "F", **alike(3, "P" * 41)}) as api:
        with using(archive):
            view = ra.explore(FLOW, client=api.client)
        view.wait(timeout=60)
        assert view.state.look.runs.height == 41
        assert view.comparison.headline == api.check(archive=archive).headline
        view.close()


def test_101_results_that_come_after_the_end_are_read_by_the_next_check(tmp_path: Path) -> None:
    with (
        LetteredApi({"a": "PPPPP", **alike(3, "PPPPP")}) as api,
        ra.Archive(tmp_path / "a") as archive,
    ):
        api.check(archive=archive)
        late = api.run({"a": "F", **{f"fine {at}": "P" for at in range(3)}}, after=HOUR)
        late.results = [f"fine {at}" for at in range(3)]
        first = api.check(archive=archive)
        late.results = None
        again, asked = api.check(archive=archive), api.check()
    assert first.evals.filter(eval_id="a")["transition"].item() == "incomplete"
    assert str(again) == str(asked)
    assert again.evals.filter(eval_id="a")["transition"].item() == "suspect"


def test_an_archive_tells_a_rename_from_an_edit(archive: ra.Archive) -> None:
    """It keeps the eval as it was when it ran."""
    with LetteredApi(alike(5, "PPP")) as api:
        api.check(archive=archive)
        api.resave("fine 0", api.runs[-1].at + HOUR, name="Total")
        said = "○ 1 eval was saved again and has not run since; nothing else broke"
        assert api.check().headline == said
        assert api.check(archive=archive).headline == "✓ Nothing broke: 5 of 5 pass"
        # The name and more: an edit. Put back, it is again the one that ran.
        for path, ok in (("total.net", False), ("total.amount", True)):
            api.resave("fine 0", api.runs[-1].at + 2 * HOUR, assertion__target__path=path)
            assert api.check(archive=archive).gate().ok == ok


def test_an_archive_clears_no_eval_whose_state_in_its_newest_run_it_did_not_see(
    archive: ra.Archive,
) -> None:
    with LetteredApi(alike(5, "PPP")) as api:
        api.check(archive=archive)
        api.resave("fine 0", api.runs[-1].at + HOUR, assertion__target__path="total.net")
        run = api.run("PPPPP")
        api.resave("fine 0", run.at + HOUR, assertion__target__path="total.amount")
        assert api.check(archive=archive).gate().undecided == ("fine 0",)
        # A run that tested nothing of it is not its newest run.
        api.run("CPPPP", after=2 * HOUR)
        assert api.check(archive=archive).gate().undecided == ("fine 0",)


def test_an_archive_sees_the_edits_among_evals_that_are_all_saved_at_once(
    archive: ra.Archive,
) -> None:
    with LetteredApi(alike(5, "PPP")) as api:
        api.check(archive=archive)
        for each in api.evals:
            api.resave(each, api.runs[-1].at + HOUR)
        assert api.check().gate().exit_code == 2
        assert api.check(archive=archive).headline == "✓ Nothing broke: 5 of 5 pass"
        api.resave("fine 0", api.runs[-1].at + HOUR, assertion__target__path="total.net")
        assert {*api.check().gate().undecided} == {*api.evals}
        assert api.check(archive=archive).gate().undecided == ("fine 0",)
