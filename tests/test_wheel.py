"""The wheel, built and installed beside nothing of this repository: its content and its doors."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from support.doors import Answer, commands_in_sandbox, list_whole_runs
from support.fakes import STILL
from support.situations import SITUATIONS, Situation

import retab_analysis as ra

ROOT = Path(__file__).parents[1]
ADDRESS = "https://git.example/acme/retab_analysis"


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel, and an empty repository.

    Attributes:
        bin: Where its programs are.
        repository: The empty repository, where programs are started.
    """

    bin: Path
    repository: Path

    def run(
        self, program: str, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.repository,
            env={**clean_environment(), **variables},
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )


def clean_environment() -> dict[str, str]:
    """This process's variables, without any that leads to this repository or to an API."""
    ours = ("PYTHON", "RETAB_", "GITHUB_", "PYTEST_", "COV_", "COVERAGE_")
    kept = {name: each for name, each in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONUTF8": "1"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # The build's own dependency is one of the tests': no network is needed.
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, ROOT]
    environment = {**os.environ, "RETAB_ANALYSIS_REPOSITORY": ADDRESS}
    subprocess.run(command, check=True, timeout=300, env=environment)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True, timeout=300)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, timeout=300)
    # The dependencies come from here. A path in such a file is searched for packages, but not for
    # further such files, so that an editable installation of this repository is not found.
    (packages,) = home.glob("lib/python*/site-packages")
    ours = [each for each in sys.path if Path(each).name in ("site-packages", "dist-packages")]
    (packages / "dependencies.pth").write_text("\n".join(ours) + "\n")
    return Installed(home / "bin", tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ra.Sandbox]:
    with ra.Sandbox(speed=STILL) as started:
        yield started


def variables(sandbox: ra.Sandbox) -> dict[str, str]:
    known = sandbox.credentials
    return {"RETAB_API_KEY": known["api_key"], "RETAB_API_BASE_URL": known["base_url"]}


def test_it_has_every_file_of_the_package(wheel: Path) -> None:
    there = {
        each.relative_to(ROOT).as_posix()
        for each in (ROOT / "retab_analysis").rglob("*")
        if each.is_file() and "__pycache__" not in each.parts
    }
    packed = zipfile.ZipFile(wheel).namelist()
    assert {each for each in packed if ".dist-info/" not in each} == there
    needed = (
        *("py.typed", "__init__.pyi", "render/document.css", "render/page.js", "widgets/page.js"),
        "sandbox/catalog/world.json",
    )
    assert {f"retab_analysis/{each}" for each in needed} <= there


def test_it_names_its_doors(wheel: Path) -> None:
    packed = zipfile.ZipFile(wheel)
    (name,) = (each for each in packed.namelist() if each.endswith("/entry_points.txt"))
    assert packed.read(name).decode().split() == [
        *("[console_scripts]", "retab-analysis", "=", "retab_analysis.cli:main"),
        *("retab-analysis-mcp", "=", "retab_analysis.mcp:main"),
        *("[jupyter_server_mcp.tools]", "retab_analysis", "=", "retab_analysis.mcp:LAB_TOOLS"),
        *("[pytest11]", "retab_analysis", "=", "retab_analysis.pytest_plugin"),
    ]


def metadata_of(wheel: Path) -> Message:
    packed = zipfile.ZipFile(wheel)
    (name,) = (each for each in packed.namelist() if each.endswith(".dist-info/METADATA"))
    return message_from_bytes(packed.read(name))


def test_its_addresses_are_those_of_the_repository_that_publishes_it(wheel: Path) -> None:
    found = metadata_of(wheel)
    urls = dict(each.split(", ") for each in found.get_all("Project-URL") or [])
    assert urls == {
        "The API of Retab": "https://docs.retab.com",
        "Repository": ADDRESS,
        "Documentation": f"{ADDRESS}/tree/v{ra.__version__}/docs",
        "Changelog": f"{ADDRESS}/blob/v{ra.__version__}/CHANGELOG.md",
        "Issues": f"{ADDRESS}/issues",
    }
    readme = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"(!?)\[[^\]]*\]\((.*?)\)", str(found.get_payload()))
    assert len(links) == len(re.findall(r"\]\(", readme)) > 10
    for picture, link in links:
        if link != "https://pola.rs":
            path = link.removeprefix(f"{ADDRESS}/{'raw' if picture else 'blob'}/v{ra.__version__}/")
            assert path != link
            assert (ROOT / path.partition("#")[0]).exists(), link


def test_without_an_address_the_readme_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETAB_ANALYSIS_REPOSITORY", raising=False)
    given: dict[str, Any] = {"version": "1.2.3"}
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))["RepositoryAddresses"]
    hook(str(ROOT), {}).update(given)
    assert given["readme"]["text"] == (ROOT / "README.md").read_text("utf-8")
    assert given["urls"] == {"The API of Retab": "https://docs.retab.com"}


def test_every_public_name_can_be_loaded_from_it(installed: Installed) -> None:
    code = (
        "import retab_analysis as ra\n"
        "for name in ra.__all__: getattr(ra, name)\n"
        "import retab_analysis.widgets.page\n"
        "print(ra.__file__)"
    )
    ended = installed.run("python", "-c", code)
    assert Path(ended.stdout.strip()).is_relative_to(installed.bin.parent), ended.stderr


PROGRAMS = (
    "everything passes",
    "an edit broke two evals",
    "one failure, without an edit",
    "a wrong key",
    "no workflow given",
)
"""One for each exit code."""


@pytest.mark.parametrize("about", PROGRAMS)
def test_the_program_in_an_empty_repository(
    installed: Installed, sandbox: ra.Sandbox, about: str
) -> None:
    situation = next(each for each in SITUATIONS if each.about == about)
    (command,) = commands_in_sandbox(situation, list_whole_runs(sandbox))
    known = variables(sandbox)
    if about == "a wrong key":
        known["RETAB_API_KEY"] = situation.key or ""
    ended = installed.run("retab-analysis", *command, PYTHONWARNINGS="error", **known)
    check_ended(ended, situation)


def check_ended(ended: subprocess.CompletedProcess[str], situation: Situation) -> None:
    assert ended.returncode == situation.code, (ended.stdout, ended.stderr)
    assert "Traceback" not in ended.stderr
    says = Answer(ended.returncode, ended.stdout, ended.stderr).says
    if situation.code in (0, 1):
        assert says.endswith("The gate holds" if situation.code == 0 else "The gate does not hold")
    # What was asked for goes to one stream, why there is no answer to the other.
    assert bool(ended.stdout) is (situation.code < 3)


def test_pytest_in_an_empty_repository(installed: Installed, sandbox: ra.Sandbox) -> None:
    # Other plugins warn of what this repository's settings know about.
    options = ("-m", "pytest", "-p", "no:cacheprovider", "-p", "no:playwright")
    ended = installed.run("python", *options, "--retab", "wf_contracts", **variables(sandbox))
    assert ended.returncode == 1, (ended.stdout, ended.stderr)
    assert re.search(r"=+ 3 failed, .*passed", ended.stdout)
    assert "The gate does not hold:" in ended.stdout
    nothing = installed.run("python", *options, **variables(sandbox))
    assert nothing.returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_sandbox_of_the_wheel_and_the_line_of_the_readme(installed: Installed) -> None:
    (line,) = re.findall("`retab-analysis (check .*?)`", (ROOT / "README.md").read_text())
    assert line == "check wf_invoices --start --settle 12"
    with subprocess.Popen(
        [installed.bin / "python", "-m", "retab_analysis.sandbox", "--speed", "100"],
        cwd=installed.repository,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as serving:
        assert serving.stdout is not None
        try:
            exports = [serving.stdout.readline().removeprefix("export ").strip() for _ in range(2)]
            known = dict(each.split("=", 1) for each in exports)
            ended = installed.run("retab-analysis", *line.split(), **known)
            version = installed.run("python", "-m", "retab_analysis", "--version")
        finally:
            serving.terminate()
    assert ended.returncode == 1, (ended.stdout, ended.stderr)
    # What the sandbox runs by itself meanwhile may change the words around it.
    assert "extract_lines" in ended.stdout.splitlines()[0]
    assert "To cancel: retab-analysis cancel " in ended.stderr
    assert version.stdout == f"retab-analysis {ra.__version__}\n"


def test_check_needs_no_more_than_slim_txt(installed: Installed, sandbox: ra.Sandbox) -> None:
    lines = (ROOT / "slim.txt").read_text().splitlines()
    named = {each.partition("==")[0] for each in lines if not each.startswith("#")}
    declared = {
        re.split("[><=;]", each)[0].strip()
        for each in metadata.requires("retab_analysis") or []
        if "extra ==" not in each
    }
    left_out = sorted(declared - named)
    assert left_out == ["anywidget", "ipywidgets", "matplotlib", "traitlets"]
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({left_out}))\n"
        "from retab_analysis.cli import main\n"
        "sys.exit(main(['check', 'wf_contracts', '--report', 'report.html']))"
    )
    ended = installed.run("python", "-c", code, **variables(sandbox))
    assert ended.returncode == 1, ended.stderr
    assert "The gate does not hold" in ended.stdout
