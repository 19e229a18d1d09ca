"""FAULTS.md 72: every public function refuses the same wrong arguments, before it does anything.

Which arguments a function has is read from its signature, so that a new one is asked for here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.compared import THREE, compare_in
from support.fakes import client_for
from support.inside import RESULTS, RUNS

import retab_analysis as ra

NOWHERE = "http://127.0.0.1:9"

COMPARISON = compare_in(THREE, "v1", "v3")
VIEW = ra.watch("r", client=client_for(NOWHERE))
VIEW.stop()

# What a parameter is given that has no default, so that one wrong argument is all that is wrong.
GIVEN: dict[str, Any] = {
    **dict.fromkeys(("runs", "run_id", "result_id", "what"), "r"),
    **dict.fromkeys(("frame", "frames"), RUNS.empty()),
    **{"baseline": "v1", "candidate": "v2", "eval_id": "e1", "reason": "known", "data": "[]"},
    **{"workflow_id": "wf", "results": RESULTS.empty(), "comparison": COMPARISON},
    **{"path": "runs.csv", "block": "extract"},
}
OF_RUNS = ("plot_durations", "plot_outcomes", "plot_pass_rate", "summarize_runs")
OTHERWISE: dict[str, dict[str, Any]] = {
    "Client": {"api_key": "sandbox-key", "base_url": NOWHERE},
    "Comparison.accept": {"path": "accepted.toml"},
    "compare": {"baseline": THREE, "candidate": THREE},
    "write_excel": {"path": "runs.xlsx"},
    "write_report": {"path": "report.html", "what": COMPARISON},
    "watch": {"runs": "r"},
    **{name: {"runs": RUNS.empty()} for name in OF_RUNS},
}
METHODS = ("accept", "diff", "gate", "raise_if_regressed", "to_dict", "to_html", "to_markdown")


def required(name: str, call: Callable[..., Any]) -> dict[str, Any]:
    """What a function is given beside the argument that is wrong."""
    known = inspect.signature(call).parameters.values()
    asked = [each.name for each in known if each.default is each.empty and each.kind.value < 4]
    return {each: GIVEN.get(each) for each in asked} | OTHERWISE.get(name, {})


PUBLIC: dict[str, Callable[..., Any]] = {
    **{name: getattr(ra, name) for name in ra.__all__ if inspect.isroutine(getattr(ra, name))},
    **{f"Comparison.{name}": getattr(COMPARISON, name) for name in METHODS},
    **{"Client": ra.Client, "View.wait": VIEW.wait},
}
CALLS = {name: (call, required(name, call)) for name, call in PUBLIC.items()}

# Flags that None leaves to the library, or that take something else besides.
ALSO_NONE = {("watch", "allow_cancel"), ("fetch_results", "evals")}
# Numbers whose default is None.
OPTIONAL = {"limit", "max_reruns", "min_pass_rate"}
# Numbers for which None means without a limit.
SECONDS = {"timeout", "deadline", "interval"}

NOT_A_FLAG: list[Any] = ["False", "True", "", 0, 1, 1.0, None, [True]]
NOT_A_NUMBER: list[Any] = [True, False, "1", "fast", None, float("nan"), -1, [1], timedelta(1)]


def parameters() -> Iterator[tuple[str, str, object]]:
    """Each function with each of its parameters that has a default."""
    for function, (call, _) in CALLS.items():
        for name, parameter in inspect.signature(call).parameters.items():
            if parameter.default is not inspect.Parameter.empty:
                yield function, name, parameter.default


FLAGS = [
    (function, name)
    for function, name, default in parameters()
    if isinstance(default, bool) or (function, name) in ALSO_NONE
]
NUMBERS = [
    (function, name, default)
    for function, name, default in parameters()
    if (isinstance(default, int | float) and not isinstance(default, bool))
    or name in {*OPTIONAL, *SECONDS}
]
BARS = [(function, name) for function, name, _ in parameters() if name == "progress"]
CLIENTS = [(function, name) for function, name, _ in parameters() if name == "client"]


def refuse(function: str, wrong: dict[str, Any], words: str) -> None:
    call, others = CALLS[function]
    arguments = {**others, **wrong}
    if "client" in inspect.signature(call).parameters:
        arguments.setdefault("client", client_for(NOWHERE))
    with pytest.raises(ra.ConfigError, match=f"^{words}"):
        call(**arguments)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing was written by a call that was refused."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())


def test_the_arguments_are_found() -> None:
    assert ("write_report", "values") in FLAGS
    assert ("watch", "save_values") in FLAGS
    assert {name for _, name, _ in NUMBERS} >= {*OPTIONAL, *SECONDS, "alpha", "repeat", "speed"}


@pytest.mark.parametrize(("function", "name"), FLAGS)
def test_72_what_is_neither_true_nor_false(function: str, name: str) -> None:
    for wrong in NOT_A_FLAG:
        if wrong is not None or (function, name) not in ALSO_NONE:
            refuse(function, {name: wrong}, f"{name} must be True")


@pytest.mark.parametrize(("function", "name", "default"), NUMBERS)
def test_72_what_is_not_a_number(function: str, name: str, default: object) -> None:
    for wrong in NOT_A_NUMBER:
        # Any whole number is a seed.
        if (wrong, default) != (None, None) and (wrong, name) != (-1, "seed"):
            refuse(function, {name: wrong}, f"{name} (must be|is)")


@pytest.mark.parametrize(
    ("function", "name"), [(function, name) for function, name, _ in NUMBERS if name in SECONDS]
)
def test_72_more_seconds_than_anybody_waits(function: str, name: str) -> None:
    for wrong in (1e12, 10**30, float("inf")):
        refuse(function, {name: wrong}, f"{name} must be a number of seconds")


CHOICES = [("fetch_runs", "order"), ("summarize_runs", "scope")]


@pytest.mark.parametrize(
    ("function", "name"), [*CHOICES, ("read_csv", "table"), ("start_runs", "only")]
)
def test_72_what_is_not_one_of_several_words(function: str, name: str) -> None:
    for wrong in ("newest", 1, ["asc"], pl.Series(["asc", "desc"]), pl.col("a"), pl.LazyFrame()):
        refuse(function, {name: wrong}, f"{name} must be one of ")


@pytest.mark.parametrize(("function", "name"), [("check", "history"), ("settle", "max_rounds")])
def test_72_more_than_can_be_counted(function: str, name: str) -> None:
    refuse(function, {name: 2**70}, f"{name} must be at most 9,223,372,036,854,775,807, got ")


def test_72_what_is_not_a_function() -> None:
    refuse("wait_for_runs", {"on_poll": 1}, "on_poll must be a function, got int")
    with pytest.raises(ra.ConfigError, match="callback must be a function, got int"):
        VIEW.on_update(5)  # type: ignore[arg-type]


IDS = [
    *(("check", "workflow_id"), ("fetch_evals", "workflow_id"), ("fetch_versions", "workflow_id")),
    *(("overview", "workflow_id"), ("start_runs", "workflow_id"), ("fetch_run", "run_id")),
    *(("start_runs", "evals"), ("fetch_runs", "eval_id"), ("watch", "runs")),
    ("fetch_evals", "target_block_id"),
]


@pytest.mark.parametrize(("function", "name"), IDS)
def test_37_an_id_that_no_id_can_be(function: str, name: str) -> None:
    for wrong in (".", "..", "", "\ud800", 7):
        refuse(function, {name: [wrong] if name == "evals" else wrong}, name)


def test_72_several_workflows_are_not_checked_at_once() -> None:
    refuse("check", {"workflow_id": ["wf_1", "wf_2"]}, "workflow_id must be a string, got list")
    refuse("check", {"workflow_id": None}, "workflow_id must be a string, got NoneType")


@pytest.mark.parametrize("name", ["from_date", "to_date"])
def test_72_a_negative_timedelta_is_in_the_future(name: str) -> None:
    refuse("fetch_runs", {name: timedelta(days=-1)}, f"{name} must not be a negative timedelta")


@pytest.mark.parametrize(("function", "name"), BARS)
def test_72_what_is_not_a_progress(function: str, name: str) -> None:
    for wrong in ("False", 1, 0, []):
        refuse(function, {name: wrong}, "progress must be None, True, False or an object")


@pytest.mark.parametrize(("function", "name"), CLIENTS)
def test_72_what_is_not_a_client(function: str, name: str) -> None:
    wrong = "sandbox-key"
    refuse(function, {name: wrong}, "client must be a Client or None, got str")
