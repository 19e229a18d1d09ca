"""The one door through which the tests reach inside the package.

Tests use public names; where one has to reach inside, it imports the name from here. A module of
the package is named in this file and nowhere else in the tests, so that a move changes one line.
"""

from __future__ import annotations

import importlib

# What tests use of each module: names, or modules below it. `name=other` calls a name other.
MODULES = {
    "": "analysis errors markup progress widgets wire",
    "arguments": "read_synonyms",
    "checks.open_document": "OpenedDocument",
    "checks.overview": "OVERVIEW Overview UNWELL",
    "checks.week": "BLOCKS=BLOCKS_OF_OVERVIEW Periods Seen",
    "checks.tries": "Tries",
    "archive": "database=archive_database",
    "analysis": "states",
    "analysis.conclusions": "NEEDED",
    "analysis.eval_summaries": "mark_results",
    "cli": "main",
    "cli.assumptions": "Asker SURE=HOW_SURE load_facts",
    "cli.console": "Console",
    "cli.parser": "build_parser",
    "cli.session": "RecordingClient Session",
    "comparison": "compare",
    "comparison.accepted": "read_policy",
    "comparison.compare": "compare_sides",
    "comparison.comparison": "Comparison inside",
    "comparison.verdict_document": "SUITE",
    "comparison.config_changes": "Edits compare_blocks readable",
    "comparison.detail": "WORDS",
    "comparison.findings": "Finding find=find_findings",
    "comparison.explanation": "TRUE_IF_UNSURE",
    "comparison.gate": "FAIL_ON Gate",
    "comparison.json_diff": "Verbatim differing_paths parse_json write_json",
    "checks.settle": "RerunPlan run_again",
    "comparison.sides": "ReadRuns Sides check_results",
    "comparison.suite_test": "SUMMARY_SCHEMA SuiteTest",
    "render.marks": "mark_words",
    "config": "Secret publications",
    "fetch.kept": "shelves",
    "decode": "read_one read_page report_problems to_frame",
    "evidence": "rates",
    "evidence.facts": "Facts",
    "evidence.timeline": "Timeline",
    "evidence.tries": "choose=choose_try list_tries",
    "evidence.versions": "Versions",
    "evidence.inference": "Histories Posterior infer",
    "evidence.readings": "infer_both infer_within mark_returns",
    "evidence.comparable": "Ledger collect find_clusters write_by_value",
    "evidence.rates": "BREAKS Bools CAN_BREAK CAN_MEND Floats Ints HOURS HOUR_RATES MENDS PAIRS RATES SHARE_PRIORS find_age",
    "evidence.saved_evals": "SavedEvals",
    "evidence.telling": "Told tell",
    "evidence.since": "ROUNDS Answers answer comes_and_goes predict",
    "fetch": "paging kept polling",
    "fetch.lists": "read_link",
    "fetch.paging": "Gathering PAGE_SIZE",
    "fetch.run_line": "say_going",
    "fetch.threads": "AWAY_LIMIT TaskOutcomes apart run_all threads",
    "files": "check_writable",
    "markup": "Html join show_turning tag",
    "plots.labels": "choose_families shorten_names",
    "plots.palette": "STATE_LOOKS",
    "render": "document",
    "render.document": "Case Count Document FailedTry Folded Head Heading list_rows plain",
    "render.door": "Door",
    "render.html": "SCRIPT STYLE to_html",
    "render.junit": "write_junit",
    "render.text": "to_text",
    "render.markdown": "LONGEST=LONGEST_MARKDOWN",
    "sandbox.__main__": "main=sandbox_main",
    "sandbox.http.connection": "Connection",
    "sandbox.http.messages": "ApiError Request Response",
    "sandbox.http.routes": "answer=answer_request",
    "sandbox.http.server": "StoreServer TcpServer",
    "sandbox.instants": "SECOND parse_instant",
    "sandbox.simulation.past_runs": "past_runs",
    "sandbox.simulation.planning": "Circumstances make_plan",
    "sandbox.simulation.simulated_runs": "SimulatedRun",
    "sandbox.simulation.timing": "TERMINAL=SANDBOX_TERMINAL",
    "sandbox.store": "Store",
    "sandbox.world.model": "Assertion Child File Workflow World",
    "sandbox.world.world": "build_workflow build_world files_of",
    "schema": "asserts_the_same BLOCKS COMPARISON CONFIG_CHANGES Datetime EDITS EVALS LIVE_BLOCKS RESULTS RESULTS_WITH_PAYLOADS RUNS TABLES Table VERSIONS WORKFLOWS checked describe_condition",
    "stats.student": "t_inside t_quantile",
    "stats.proportions": "wilson_over",
    "stats.suite": "SuiteChange SuiteRates suite_change",
    "transport": "Cancelled CancellationToken current_token",
    "transport.deadline": "MOST_LEFT_BEHIND",
    "transport.request": "RequestSender",
    "transport.retry": "TimeSource",
    "vocabulary": "BROKEN CERTAIN_ENOUGH CLEARED_BY_PASS DECIDED FAILING LIKELY NOT_COMPARED NOT_PASSING RATED STATES SURE TERMINAL TRANSITIONS UNDECIDED UNLIKELY combined_state eval_rate pass_rate rated_total state_counts",
    "widgets": "View pieces reading state_in_words stream",
    "widgets.state_in_words": "StateInWords",
    "widgets.pieces": "render_still render_view",
    "widgets.state": "WorkflowLook Preview ViewState apply_event",
    "widgets.page": "BUSY HtmlPage PageWidget",
    "widgets.view": "tell_news write_text",
}

_HOMES = {
    name.rpartition("=")[2]: (module, name.partition("=")[0])
    for module, names in MODULES.items()
    for name in names.split()
}


def __getattr__(name: str) -> object:
    """Load a name from its module when a test asks for it."""
    if name not in _HOMES:
        raise AttributeError(f"{name} is not among the names in {__name__}.MODULES")
    home, inner = _HOMES[name]
    module = importlib.import_module(f"retab_analysis.{home}".rstrip("."))
    if not hasattr(module, inner):
        return importlib.import_module(f"{module.__name__}.{inner}")
    return getattr(module, inner)
