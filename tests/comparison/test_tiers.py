"""Evals that only inform, which somebody wrote in the file of accepted failures."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
from support.fakes import KEY
from support.faultserver import page, reply
from support.frames import many, results
from support.inside import Comparison, Conclusion, RecordingClient, Session, main, read_policy
from support.lettered_api import LetteredApi

import retab_analysis as ra


def suspects() -> Comparison:
    """A suspect of block A and one of block D, a break of block B, and many that pass."""
    blocks = {"shaky": "A", "odd": "D", "solid": "B"}
    history = [
        row
        for name, letters in {
            "shaky": "PFPPPFPPPPPP",
            "odd": "PPFPPPPFPPPP",
            "solid": "P" * 12,
        }.items()
        for row in many(name, letters, 1, block_id=blocks[name])
    ]
    others = [row for n in range(30) for row in many(f"fine {n}", "P" * 12, 1, block_id="C")]
    now = [
        *many("shaky", "F", 20, block_id="A"),
        *many("odd", "F", 20, block_id="D"),
        *many("solid", "F", 20, block_id="B"),
        *(row for n in range(30) for row in many(f"fine {n}", "P", 20, block_id="C")),
    ]
    return ra.compare(results(*history, *others), results(*now))


def policy(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "accepted.toml"
    path.write_text(text)
    return path


def test_what_only_informs_is_said_at_every_door_and_stops_nothing(tmp_path: Path) -> None:
    verdict = suspects()
    path = policy(tmp_path, '[tiers.informational]\nevals = ["solid", "odd", "shaky"]\n')
    gate = verdict.gate(accepted=path, min_pass_rate=1.0)
    assert gate.ok
    assert (gate.doubt, gate.failing, gate.undecided) == ("", (), ())
    assert set(gate.informational) == {"solid", "odd", "shaky"}
    assert not verdict.gate(min_pass_rate=1.0).ok
    told = Conclusion("wf", verdict, gate)
    assert "0 informational" not in told.text(100, values=False)
    assert told.text(100, values=False).startswith(
        "✓ Nothing new broke: 30 of 33 pass, 3 informational"
    )
    assert "Informational" in told.markdown(values=False)
    assert told.to_dict(brief=False, values=False)["counts"] == {
        "informational": 3,
        "pass as before": 30,
    }
    outcomes = {case.name: case.outcome for case in told.cases(values=False)}
    assert outcomes["name of solid"] == "xfailed"
    assert told.exit_code == 0


def test_names_that_fit_nothing_are_an_error_where_the_saved_evals_are_known(
    tmp_path: Path,
) -> None:
    path = policy(tmp_path, '[tiers.informational]\nevals = ["soild"]\nblocks = ["Z"]\n')
    assert suspects().gate(accepted=path).informational == ()
    with LetteredApi({}) as api:
        verdict = checked(api)
        for ask in (lambda: verdict.gate(accepted=path), lambda: api.check(accepted=path)):
            with pytest.raises(ra.ConfigError, match="this workflow lacks: Z, soild"):
                ask()


BLOCKS = "GET /v1/workflows/blocks"


def checked(api: LetteredApi) -> Comparison:
    """A break of the block ``extract``, which is called Extract, and of ``classify``."""
    api.blocks = {"broken": "extract", "other": "classify"}
    api.labels = {"extract": "Extract", "classify": "Classify"}
    api.write({"broken": "P" * 12 + "F" * 3, "other": "P" * 12 + "F" * 3})
    made: Comparison = api.check()
    return made


def test_a_block_may_be_called_by_its_label(tmp_path: Path) -> None:
    by_label = policy(tmp_path, '[tiers.informational]\nblocks = ["Extract"]\n')
    with LetteredApi({}) as api:
        verdict = checked(api)
        before = len(api.asked)
        assert verdict.gate().failing == verdict.gate(accepted=("x",)).failing
        assert len(api.asked) == before
        gate, again = (
            verdict.gate(accepted=by_label),
            copy.deepcopy(verdict).gate(accepted=by_label),
        )
        assert gate == again
        assert api.asked[before:] == [BLOCKS]
        assert (gate.failing, gate.informational) == (("other",), ("broken",))
        # For an id nobody is asked.
        by_id = tmp_path / "ids.toml"
        by_id.write_text('[tiers.informational]\nblocks = ["extract"]\n')
        assert checked(api).gate(accepted=by_id).informational == ("broken",)
        assert api.asked.count(BLOCKS) == 1


def test_labels_are_pickled_with_a_comparison_and_a_client_is_not(tmp_path: Path) -> None:
    by_label = policy(tmp_path, '[tiers.informational]\nblocks = ["Extract"]\n')
    with LetteredApi({}) as api:
        verdict = checked(api)
        stranger = pickle.loads(pickle.dumps(verdict))
        with pytest.raises(ra.ConfigError, match="Extract"):
            stranger.gate(accepted=by_label)
        assert verdict.gate(accepted=by_label).informational == ("broken",)
        pickled = pickle.dumps(verdict)
    assert KEY.encode() not in pickled
    assert KEY not in repr(verdict)
    assert pickle.loads(pickled).gate(accepted=by_label).informational == ("broken",)


def test_a_label_that_says_too_little_is_refused(tmp_path: Path) -> None:
    with LetteredApi({}) as api:
        alike = [{"id": each, "label": "Read", "type": "extract"} for each in ("a", "b", "extract")]
        api.broken[BLOCKS] = reply(200, page(alike))
        verdict = checked(api)
        path = policy(tmp_path, '[tiers.informational]\nblocks = ["Read"]\n')
        with pytest.raises(ra.ConfigError, match="name of 3 blocks; give an id: a, b, extract"):
            verdict.gate(accepted=path)


def test_an_api_that_is_away_is_no_fault_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = policy(tmp_path, '[tiers.informational]\nblocks = ["Extract"]\n')
    with LetteredApi({}) as api:
        api.broken[BLOCKS] = reply(403, {"detail": "not for this key"})
        verdict = checked(api)
        with pytest.raises(ra.PermissionDeniedError, match=r"for this key.*a label, which the API"):
            verdict.gate(accepted=path)
        with pytest.raises(ra.PermissionDeniedError, match="a label, which the API"):
            api.check(accepted=path)
        with RecordingClient(KEY, api.client.base_url) as client:
            code = main(["check", api.flow, "--accepted", str(path)], Session(client))
        assert code == 3
        assert "A tier names a block by a label" in capsys.readouterr().err
        # What was not answered is asked for once more.
        del api.broken[BLOCKS]
        assert verdict.gate(accepted=path).failing


def test_entries_are_added_beside_what_only_informs(tmp_path: Path) -> None:
    before = "# Money.\n[tiers.informational]\nblocks = ['B']\n"
    path = policy(tmp_path, f"{before}\n[[accepted]]\nid = 'odd'\n")
    verdict = suspects()
    verdict.accept(path, ["solid"], reason="known")
    read = read_policy(path)
    assert [each.id for each in read.accepted] == ["odd", "solid"]
    assert read.blocks == ("B",)
    assert path.read_text().startswith(before)
    # A tier that stands below the entries moves above them.
    path.write_text(f"[[accepted]]\nid = 'odd'\n\n{before}")
    verdict.accept(path, ["solid"], reason="known")
    assert [each.id for each in read_policy(path).accepted] == ["odd", "solid"]
    assert "# Money.\n[tiers.informational]" in path.read_text()
    path.write_text(f"accepted = [{{id = 'odd'}}]\n{before}")
    with pytest.raises(ra.ConfigError, match=r"as \[\[accepted\]\] tables"):
        verdict.accept(path, ["solid"], reason="known")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tiers = 3", r"got `int` - at `\$.tiers`"),
        ("[tiers]\ninformational = ['a']", r"got `array` - at `\$.tiers.informational`"),
        (
            "[tiers.informational]\nnames = ['a']",
            r"unknown field `names` - at `\$.tiers.informational`",
        ),
        ("[tiers.informational]\nevals = 'a'", r"got `str` - at `\$.tiers.informational.evals`"),
        (
            "[tiers.informational]\nblocks = [1]",
            r"got `int` - at `\$.tiers.informational.blocks\[0\]`",
        ),
        ("accepted = 3", r"got `int` - at `\$.accepted`"),
        ("accepted = ['a']", r"got `str` - at `\$.accepted\[0\]`"),
        ("not toml", "Expected '=' after a key"),
        ("[other]\nx = 1", "unknown field `other`"),
        ("[[accepted]]\nname = 'no id'", r"missing required field `id` - at `\$.accepted\[0\]`"),
        ("[[accepted]]\nid = ''", "length >= 1"),
        ("[[accepted]]\nid = 'a'\nreason = 3", "got `int`"),
        ("[[accepted]]\nid = 'a'\nuntil = 'soon'", "date"),
        ("[[accepted]]\nid = 'a'\nuntil = 2026-01-01T00:00:00Z", "got `datetime`"),
        ("tiers = {vital = {}}", r"unknown field `vital` - at `\$.tiers`"),
        ("max_slowdown = 0.5", r"unknown field `max_slowdown`"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = policy(tmp_path, text)
    with pytest.raises(ra.ConfigError, match=said + r".*\. It may hold \[\[accepted\]\] tables"):
        read_policy(path)
    with pytest.raises(ra.ConfigError, match=said):
        suspects().accept(path, ["solid"], reason="x")
    assert path.read_text() == text
