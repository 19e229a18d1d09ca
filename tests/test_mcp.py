"""The server for coding assistants, asked by the protocol's own client."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import mcp
import pytest
from packaging.requirements import Requirement
from support.fakes import KEY, STILL
from support.inside import RecordingClient, Session, main
from support.lettered_api import FLOW, LetteredApi, alike

import retab_analysis as ra

ROOT = Path(__file__).parents[1]
START = "from retab_analysis.mcp import main; main()"
BROKE = {"total": "P" * 20 + "F", "shaky": "PFPPFPFPPPFPPPPFPPPPP", **alike(6, "P" * 21)}

Asked = tuple[str, dict[str, Any]]


def ask(api: LetteredApi | ra.Sandbox, *calls: Asked, **env: str) -> list[tuple[bool, str]]:
    """Whether each answer is an error, and its text; the server is a process of its own."""
    known = (
        {"RETAB_API_KEY": KEY, "RETAB_API_BASE_URL": api.server.url if api.server else ""}
        if isinstance(api, LetteredApi)
        else {"RETAB_API_KEY": api.credentials["api_key"], "RETAB_API_BASE_URL": api.base_url}
    )
    about = mcp.StdioServerParameters(
        command=sys.executable, args=["-c", START], env={**os.environ, **known, **env}
    )

    async def talk() -> list[tuple[bool, str]]:
        async with mcp.Client(about) as client:
            answers = [await client.call_tool(name, given) for name, given in calls]
        return [(bool(each.is_error), getattr(each.content[0], "text", "")) for each in answers]

    return anyio.run(talk)


@pytest.fixture
def api() -> Iterator[LetteredApi]:
    with LetteredApi(BROKE, codes="A" * 20 + "B") as served:
        yield served


def test_the_tools_read_and_say_so() -> None:
    async def look() -> list[Any]:
        about = mcp.StdioServerParameters(
            command=sys.executable, args=["-c", START], env=dict(os.environ)
        )
        async with mcp.Client(about) as client:
            assert "Nothing here starts" in (client.instructions or "")
            return list((await client.list_tools()).tools)

    tools = anyio.run(look)
    assert [each.name for each in tools] == ["overview", "check", "why", "tries", "history"]
    assert all(each.annotations.read_only_hint for each in tools)


def test_what_broke_why_and_its_past(api: LetteredApi) -> None:
    flow = {"workflow_id": FLOW}
    answers = ask(
        api,
        ("overview", {}),
        ("overview", flow),
        ("check", flow),
        ("why", {**flow, "eval": "total"}),
        ("why", {**flow, "eval": "fine 0"}),
        ("history", flow),
        ("history", {**flow, "eval": "total", "runs": 5}),
    )
    assert not any(is_error for is_error, _ in answers)
    board, one, verdict, broken, fine, past, own = (json.loads(text) for _, text in answers)
    assert [(each["workflow_id"], each["n_evals"]) for each in board["workflows"]] == [(FLOW, 8)]
    for each in (*one["workflows"], *board["workflows"]):
        assert each.pop("read_at")
    assert one["workflows"] == board["workflows"]
    assert {"total"} <= {each["eval_id"] for each in one["evals"]}
    assert verdict["headline"] == api.check().headline
    assert verdict["gate"]["failing"] == ["total"]
    assert (broken["transition"], broken["cause"]) == ("regressed", "edit")
    assert broken["said"][0].startswith("total (total): broke")
    assert fine["said"][0] == "fine 0 (fine 0): It passes as before."
    assert fine["said"][1].startswith("  runs  ")
    assert (past["steady"], [each["eval_id"] for each in past["evals"]]) == (6, ["total", "shaky"])
    assert past["evals"][0]["last_states"] == "PPPPPPPPPF"
    assert [each["state"] for each in own["runs"]] == ["failed", *["passed"] * 4]
    assert not [each for each in api.asked if not each.startswith("GET ")]


def test_values_are_given_when_asked_for_and_not_where_they_are_forbidden(api: LetteredApi) -> None:
    asked = [
        (name, {"workflow_id": FLOW, "values": True} | more)
        for name, more in (("check", {}), ("why", {"eval": "total"}))
    ]
    plain = [(name, {**given, "values": False}) for name, given in asked]
    shown, hidden, forbidden = (
        "".join(text for _, text in found)
        for found in (
            ask(api, *asked),
            ask(api, *plain),
            ask(api, *asked, RETAB_ANALYSIS_VALUES="0"),
        )
    )
    assert "12.50" in shown
    assert "12.50" not in hidden
    assert "12.50" not in forbidden


def test_an_answer_has_room_for_the_worst_day_of_a_large_suite() -> None:
    broken = {f"a long name of an eval, number {at}": "P" * 20 + "F" for at in range(400)}
    with LetteredApi(broken, codes="A" * 20 + "B") as api:
        flow = {"workflow_id": FLOW}
        for _, text in ask(api, ("check", flow), ("history", flow)):
            assert len(json.dumps(json.loads(text), indent=2)) <= 10_000
            assert json.loads(text)["left_out"]["evals"] > 300


def test_an_error_says_what_is_wrong_and_holds_no_key(api: LetteredApi) -> None:
    (is_error, said), (_, nowhere) = ask(
        api, ("why", {"workflow_id": FLOW, "eval": "totl"}), ("check", {"workflow_id": "wf_other"})
    )
    assert is_error
    assert "there is no eval 'totl'; did you mean 'total'" in said
    assert "there is no workflow 'wf_other'" in nowhere
    assert KEY not in said + nowhere


def test_the_chat_of_jupyter_ai_finds_the_same_tools() -> None:
    """jupyter-server-mcp loads a list of ``module:function``; its fastmcp needs mcp 1.24 to 1.x."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (place,) = project["entry-points"]["jupyter_server_mcp.tools"].values()
    found = [load(each) for each in load(place)]
    assert [each.__name__ for each in found] == ["overview", "check", "why", "tries", "history"]
    assert all("Retab" in each.__doc__.splitlines()[0] for each in found)
    (needed,) = map(Requirement, project["optional-dependencies"]["mcp"])
    assert {*needed.specifier.filter(["1.23.9", "1.24.0", "1.30.0", "2.3.0"])} == {
        *("1.24.0", "1.30.0", "2.3.0")
    }


def load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def test_the_page_for_assistants_names_commands_that_there_are() -> None:
    text = (ROOT / "docs/skill/retab-analysis/SKILL.md").read_text("utf-8")
    assert len(text.splitlines()) <= 40
    assert text.startswith("---\nname: retab-analysis\ndescription: ")
    for word in ("overview --json", "check WORKFLOW --json", "Never"):
        assert word in text


def test_without_the_extra_it_says_what_to_install() -> None:
    hidden = "import sys; sys.modules['mcp'] = None; "
    ended = subprocess.run(
        [sys.executable, "-c", hidden + START], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("it comes with: pip install 'retab_analysis[mcp]'")
    assert "Traceback" not in ended.stderr


def test_tries_say_the_same_at_every_door(capsys: pytest.CaptureFixture[str]) -> None:
    with ra.Sandbox(speed=STILL) as sandbox, RecordingClient(**sandbox.credentials) as client:
        session = Session(client)
        shown = str(ra.tries("wf_invoices", "extract_lines", client=client))
        assert main(["tries", "wf_invoices", "extract_lines", "--json", "--values"], session) == 0
        told = json.loads(capsys.readouterr().out)
        asked = {"workflow_id": "wf_invoices", "block": "extract_lines"}
        full, bare = ask(sandbox, ("tries", asked | {"values": True}), ("tries", asked))
        assert main(["tries", "wf_invoices", "nope"], session) == 3
        assert "there is no block 'nope'; known are for example " in capsys.readouterr().err
        ((is_error, text),) = ask(sandbox, ("tries", asked | {"block": "nope"}))
    # Only what is shown at once may say the time of an edit of today instead of its day.
    assert told["headline"].endswith(" broke 9: 9 of 18 pass")
    assert re.match("✗ The edit of .+ broke 9: 9 of 18 pass ", shown)
    assert re.search(r"QuickParts: six lines, three .* ✓ ✓ ✗ +6 items \| 4 items", shown)
    # An assistant gets the same, shortened.
    given = json.loads(full[1])
    assert [given[each] for each in ("headline", "best")] == [told["headline"], None]
    assert "v3" in [each["name"] for each in told["tries"]], "the first version that has it"
    counts = [[each["broke"] for each in its["tries"]] for its in (told, given)]
    assert counts == [[9, 0, 0]] * 2
    assert "Join descriptions" in full[1]
    assert "Join descriptions" not in bare[1]
    assert (is_error, "there is no block 'nope'" in text) == (True, True)
