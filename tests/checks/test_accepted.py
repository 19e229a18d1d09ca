"""Accepted failures, known to every call; and what is hidden in what leaves the screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.fakes import KEY, FakeTime
from support.inside import RecordingClient, Session, main
from support.lettered_api import DAY, FLOW, HOUR, LetteredApi, alike

import retab_analysis as ra

NAME = "n" * 300 + "\u202e\x9b"
ENTRY = '[[accepted]]\nid = "broken"\nreason = "known"\n'
SAYS = "✓ Nothing new broke: 7 of 8 pass, 1 accepted"


@pytest.fixture
def api() -> Iterator[LetteredApi]:
    evals = {"broken": "P" * 20 + "FFF", **alike(7, "P" * 23)}
    with LetteredApi(evals, codes="A" * 20 + "BBB", names={"broken": NAME}) as made:
        yield made
    ra.use(None, accepted=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "accepted.toml"
    made.write_text(ENTRY, encoding="utf-8")
    return made


def test_each_call_takes_a_file_or_evals(api: LetteredApi, path: Path) -> None:
    for known in (path, str(path), ["broken"], "broken", [NAME]):
        verdict = api.check(accepted=known)
        assert (verdict.headline, verdict.gate().ok) == (SAYS, True)
        assert verdict.gate(accepted=()).failing == ("broken",)
        assert verdict.next_step is None
    api.published = "AB"
    between = api.check(baseline="v1", candidate="v2", accepted=path)
    assert between.headline == "✓ Nothing new broke from v1 to v2: 7 of 8 pass, 1 accepted"


def test_use_lets_every_call_know_them_until_it_is_taken_back(api: LetteredApi, path: Path) -> None:
    before = api.check()
    ra.use(api.client, accepted=path)
    verdict = api.check()
    assert (verdict.headline, ra.overview(FLOW).workflow["headline"].item()) == (SAYS, SAYS)
    with ra.watch("run_22", interval=0.1) as view:
        view.wait(timeout=60)
        assert SAYS in repr(view)
    # An argument wins, and what was said before stays.
    assert api.check(accepted=()).gate().failing == ("broken",)
    assert before.gate().failing == ("broken",)
    # The file is read again by each call.
    path.write_text("", encoding="utf-8")
    assert api.check().gate().failing == ("broken",)
    path.write_text("accepted = 3", encoding="utf-8")
    with pytest.raises(ra.ConfigError, match=r"^accepted: .*accepted\.toml' cannot be read"):
        api.check()
    with pytest.raises(ra.ConfigError, match=r"^accepted: "):
        ra.use(accepted=path)
    ra.use(accepted=None)
    assert api.check().gate().failing == ("broken",)


@pytest.mark.parametrize("days", [-30, 30])
def test_the_last_day_is_a_day_of_the_api_whatever_this_machine_thinks(
    api: LetteredApi, tmp_path: Path, days: int, capsys: pytest.CaptureFixture[str]
) -> None:
    now = api.now = api.runs[-1].at + HOUR
    wrong = FakeTime(wall_at_start=(now + timedelta(days=days)).timestamp())
    api.client = RecordingClient(KEY, api.client.base_url)
    api.client._set_time(wrong.as_time())
    path = tmp_path / "accepted.toml"
    with pytest.raises(ra.ConfigError, match="is over; the last day must be today or later"):
        api.check().accept(path, reason="known", until=now.date() - DAY)
    options = ["accept", FLOW, str(path), "--reason", "known", "--until"]
    assert main([*options, str(now.date() - DAY)], Session(api.client)) == 4
    assert "is over" in capsys.readouterr().err
    assert main([*options, str(now.date())], Session(api.client)) == 0
    assert api.check(accepted=path).gate().exit_code == 0
    assert api.check().gate(accepted=path).exit_code == 0
    api.now = now + DAY
    gate = api.check(accepted=path).gate()
    assert (gate.exit_code, gate.failing) == (1, ("broken",))


def test_settle_leaves_accepted_evals_alone() -> None:
    evals = {"doubtful": "P" * 12 + "F", **alike(7, "P" * 13)}
    with LetteredApi(evals) as api:
        verdict = api.check(accepted="doubtful")
        assert ra.settle(verdict, client=api.client, progress=False) is verdict
        assert verdict.gate().ok
        assert ra.settle(api.check(), client=api.client, progress=False).gate().ok
        assert len(api.started) == 1


def test_an_eval_that_has_not_run_since_the_edit_may_be_accepted(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    api = LetteredApi({"old": "PPPPPP", "fine": "PPPPPP"}, definitions={"old": "AAAAAAB"})
    with api:
        before = api.check()
        assert before.gate().exit_code == 2
        after = before.accept(path, reason="waits for the supplier")
        assert (after.gate().exit_code, after.gate().accepted) == (0, ("old",))
        assert after.headline == "✓ Nothing new broke: 2 of 2 pass, 1 accepted"


def test_names_are_cut_and_shown_as_what_they_are_in_reasons_and_in_json(
    api: LetteredApi, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = api.check()
    (reason, *_) = verdict.gate().reasons
    assert "n" * 190 in reason
    assert "n" * 201 not in reason
    with RecordingClient(KEY, api.client.base_url) as client:
        assert main(["check", FLOW, "--json"], Session(client)) == 1
    printed = capsys.readouterr().out
    assert not [each for each in printed if not each.isprintable() and each != "\n"]
    told = json.loads(printed)
    assert told["gate"]["reasons"][0] == reason
    assert told["evals"][0]["eval_name"] == NAME  # data, as it was sent
    assert told["values"] == "Values are hidden; --values shows them."


def test_what_is_hidden_says_how_to_see_it(api: LetteredApi, tmp_path: Path) -> None:
    verdict = api.check()
    said = "Values are hidden; <code>values=True</code> shows them."
    assert said in verdict.to_markdown()
    assert "Values are hidden" not in verdict.to_markdown(values=True)
    assert "Values are hidden" not in repr(verdict)
    ra.write_report(verdict, tmp_path / "report.md")
    assert said in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert verdict.to_dict()["values"] == "Values are hidden; values=True shows them."
    assert verdict.to_dict(values=True)["values"] == "shown"
    ra.use(values=False)
    try:
        assert "Values are hidden; ra.use(values=True) shows them." in repr(verdict)
    finally:
        ra.use(values=None)


def test_a_file_of_one_workflow_is_no_matter_of_another(tmp_path: Path) -> None:
    own = {"broken": "P" * 20 + "FFF", **alike(7, "P" * 23)}
    path = tmp_path / "accepted.toml"
    with LetteredApi(own, codes="A" * 20 + "BBB") as api:
        api.check().accept(path, reason="known")
        assert 'workflow = "wf_letters"' in path.read_text(encoding="utf-8")
    other = LetteredApi(alike(4, "PPP"), blocks=dict.fromkeys(alike(4, ""), "split"), flow="wf_b")
    with other as api:
        ra.use(api.client, accepted=path)
        assert api.check().headline == "✓ Nothing broke: 4 of 4 pass"
        ra.use(accepted=iter(["fine 9"]))  # of another workflow: an id may be of any
        assert [api.check().gate().exit_code for _ in range(2)] == [0, 0]
        assert api.check(accepted=path).gate().exit_code == 0
    ra.use(None, accepted=None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tiers.informational]\nevals = ['a']", "unknown field `tiers`"),
        ("accepted = 3", r"got `int` - at `\$.accepted`"),
        ("accepted = ['a']", r"got `str` - at `\$.accepted\[0\]`"),
        ("not toml", "Expected '=' after a key"),
        ("[[accepted]]\nname = 'no id'", r"missing required field `id` - at `\$.accepted\[0\]`"),
        ("[[accepted]]\nid = ''", "length >= 1"),
        ("[[accepted]]\nid = 'a'\nreason = 3", "got `int`"),
        ("[[accepted]]\nid = 'a'\nuntil = 'soon'", "date"),
        ("[[accepted]]\nid = 'a'\nuntil = 2026-01-01T00:00:00Z", "got `datetime`"),
    ],
)
def test_a_file_that_says_something_else_is_refused(
    api: LetteredApi, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(text)
    verdict = api.check()
    with pytest.raises(ra.ConfigError, match=said + r".*\. It may hold \[\[accepted\]\] tables"):
        verdict.gate(accepted=path)
    with pytest.raises(ra.ConfigError, match=said):
        verdict.accept(path, reason="x")
    assert path.read_text() == text


def test_entries_that_are_no_tables_are_not_rewritten(api: LetteredApi, tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text("accepted = [{id = 'odd'}]\n")
    with pytest.raises(ra.ConfigError, match=r"as \[\[accepted\]\] tables"):
        api.check().accept(path, reason="known")


def test_what_is_accepted_is_written_into_toml(api: LetteredApi, tmp_path: Path) -> None:
    with pytest.raises(ra.ConfigError, match=r"path must end in \.toml, got '.*known\.txt'"):
        api.check().accept(tmp_path / "known.txt", reason="known")


def test_frames_and_texts_that_name_nothing(api: LetteredApi, tmp_path: Path) -> None:
    broken = api.check().broken
    assert api.check(accepted=broken).headline == SAYS
    ra.use(accepted=broken)
    assert api.check().headline == SAYS
    ra.use(accepted=None)
    with pytest.raises(ra.ConfigError, match="accepted must hold ids or names, got"):
        api.check(accepted="")
    reason = api.check(accepted="brokn").gate().reasons[-1]
    assert reason == "Accepted, but not a saved eval: brokn. Remove the entry."
    path = tmp_path / "none.toml"
    api.check().accept(path, evals=[], reason="nothing")
    assert not path.exists()


def test_what_is_accepted_is_not_called_unbroken(api: LetteredApi) -> None:
    api.codes = "A" * 20 + "BBBC"
    verdict = api.check(accepted="broken")
    assert verdict.headline.endswith("has not run yet; before that nothing new broke")
