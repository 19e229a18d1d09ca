"""What a project is expected to have: workflows, issue forms, citation, pages, pre-commit."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

import retab_analysis as ra

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
# A name that a user has to replace, as it stands in what they copy.
PLACEHOLDER = re.compile(r"\b(?:your|my)-\w+/[\w@-]+|\bretab_analysis-\*\.whl")


def read(path: str) -> Any:
    # YAML takes the key `on` for true.
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


@pytest.mark.parametrize("file", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.name)
def test_actions_are_named_by_commit_and_may_only_read(file: Path) -> None:
    text = file.read_text("utf-8")
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action, _ in used)
    assert all(re.fullmatch(r" # v\d+\.\d+\.\d+", comment) for _, comment in used)
    if file in WORKFLOWS:
        assert read(str(file))["permissions"] == {"contents": "read"}


def test_pull_requests_run_lint_tests_and_pages_on_the_oldest_and_the_newest_python() -> None:
    workflow = read(".github/workflows/ci.yml")
    assert {"pull_request", "schedule"} <= set(workflow[True])
    (job,) = workflow["jobs"].values()
    pythons = job["strategy"]["matrix"]["python"]
    named = [each.rpartition(" ")[2] for each in PROJECT["project"]["classifiers"]]
    supported = [each for each in named if each.startswith("3.")]
    assert pythons == [supported[0], supported[-1]]
    assert PROJECT["project"]["requires-python"] == f">={pythons[0]}"
    (command,) = [step["run"] for step in job["steps"] if "run" in step]
    assert command.split()[:4] == ["make", "lint", "test", "docs"]


def test_a_release_waits_for_the_pages_in_a_browser() -> None:
    jobs = read(".github/workflows/release.yml")["jobs"]
    assert jobs["browsers"]["steps"][-1]["run"].startswith("make browsers")
    assert set(jobs["build"]["needs"]) == {"test", "browsers"}


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_an_issue_form_asks_questions(form: Path) -> None:
    made = read(str(form))
    assert made["name"]
    assert made["description"]
    asked = [each for each in made["body"] if each["type"] != "markdown"]
    assert all(each["attributes"]["label"] for each in asked)
    assert any(each.get("validations", {}).get("required") for each in asked)


def test_a_bug_asks_for_the_doctor() -> None:
    asked = {each.get("id"): each for each in read(".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    doctor = asked["doctor"]
    assert "`retab-analysis doctor`" in doctor["attributes"]["label"]
    assert doctor["validations"] == {"required": True}


def test_the_citation_has_the_version_and_a_day() -> None:
    citation = read("CITATION.cff")
    assert citation["version"] == ra.__version__ == PROJECT["project"]["version"]
    assert date.fromisoformat(citation["date-released"])
    assert f"## {ra.__version__}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_read_the_docs_builds_what_make_docs_builds() -> None:
    made = read(".readthedocs.yaml")
    assert (ROOT / made["sphinx"]["configuration"]).is_file()
    assert made["sphinx"]["fail_on_warning"] is True
    install = made["build"]["jobs"]["install"][-1]
    recipe = re.search(r"\$\(INSTALL\) '(\S+)' --group docs", (ROOT / "Makefile").read_text())
    assert recipe
    assert f'"{recipe[1]}" --group docs' in install


def test_a_commit_is_looked_at_by_the_ruff_of_make_lint() -> None:
    (wanted,) = [each for each in PROJECT["dependency-groups"]["test"] if "ruff" in each]
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    for hook in repository["hooks"]:
        assert hook["additional_dependencies"] == [wanted]


def test_placeholders_are_listed_in_one_place() -> None:
    page = (ROOT / "docs" / "ci.md").read_text("utf-8")
    table = page.partition("## Placeholders")[2].partition("\n## ")[0]
    listed = set(PLACEHOLDER.findall(table))
    pages = [path for path in ROOT.glob("docs/**/*.md") if "generated" not in path.parts]
    used = {
        name
        for path in (*pages, ROOT / "README.md", ROOT / "action.yml", ROOT / "SECURITY.md")
        for name in PLACEHOLDER.findall(path.read_text("utf-8").replace(table, ""))
    }
    assert {name.partition("@")[0] for name in used} == {each.partition("@")[0] for each in listed}
