"""Did a change of a Retab workflow break anything? Eval runs as polars frames, and the answer.

For example::

    import retab_analysis as ra
    ra.demo()                          # or set RETAB_API_KEY
    verdict = ra.check("wf_invoices")  # the evals that broke, since when, by which edit
    verdict.broken                     # a frame; also unclear, flaky, fixed, new, evals
    verdict = ra.settle(verdict)       # reruns unclear evals

``help(ra.check)`` explains a function and shows an example that runs. A workflow is its id or
name, and so are a block and an eval; for calls that read, a part of its name will do. Runs are an
id, several, or a RUNS frame; an object with ``.id`` is its id. Frames may be of pandas, too. Only
``start_runs``, ``settle`` and ``cancel_runs`` change anything on the server.

Daily:
    check            did the newest run break anything, since when, by which edit, how surely
    settle           rerun unclear evals, once
    tries            what each of the last edits of a block mended and broke
    start_runs       start eval runs of the workflow as it is now
    watch            follow runs in a notebook while they go on, broken evals first
    overview         all workflows at a glance, or one with its evals that do not pass
    fetch_runs       runs as a frame, one row each
    fetch_results    results as a frame, one row for each eval in a run
    fetch_evals      the saved evals as a frame
    explore          the results of a workflow, to search and to compare versions
    open_document    the document of a result

Now and then:
    fetch            fetch_run, fetch_result, fetch_workflows, fetch_versions,
                     fetch_edits, fetch_config_changes; wait_for_runs, cancel_runs
    analyse          summarize_runs, summarize_results, summarize_evals, states, failures,
                     eval_history and confusion; and compare, for frames that you have
    draw             plot_pass_rate, plot_outcomes, plot_durations, plot_verdicts, plot_confusion,
                     plot_comparison
    files            write_report (Markdown, HTML), write_csv, read_csv, write_excel; decode_runs,
                     decode_results and decode_evals of documents that you have
    keep             Archive: a file of all runs, results and evals, deleted ones included
    connect          Client, Sandbox, demo, use (the client, archive and values of a session)

``schema.RUNS.describe()`` says what the columns of a frame mean (also RESULTS, EVALS, WORKFLOWS,
VERSIONS, EDITS, CONFIG_CHANGES, TRIES, and COMPARISON for a verdict's ``evals``). Errors of the
API, arguments and records are a ``RetabAnalysisError``; ``help(ra.errors)`` draws their tree.
"""

# Names load at their first use (PEP 562). ``__init__.pyi`` lists them, for type checkers too.

import os as _os
import sys as _sys


def _read_names():
    # Through the loader: the package may be in a zip file.
    stub = __spec__.loader.get_data(_os.path.join(__path__[0], "__init__.pyi"))  # noqa: PTH118
    lines = (line.split() for line in stub.decode().splitlines() if line.startswith("from "))
    return {name: home for _, home, _, name, *_ in lines}


_HOMES = _read_names()
__all__ = [name for name, home in _HOMES.items() if home != __name__]


def __getattr__(name):
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        value = version(__name__)
    elif name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    elif name not in _HOMES:
        raise import_module(f"{__name__}.arguments").unknown_name("ra", name, __all__)
    elif _HOMES[name] == __name__:
        value = import_module(f"{__name__}.{name}")
    else:
        try:
            value = getattr(import_module(_HOMES[name]), name)
        except RuntimeError as error:
            import_module(f"{__name__}.errors").refuse_at_end(name, error)
        if not isinstance(value, type):
            value = import_module(f"{__name__}.arguments").guard(f"ra.{name}", value)
            value.__module__ = __name__  # where a pickle finds it
    globals()[name] = value  # the second use finds it without this function
    return value


class _Room(type(_sys)):
    """A part of the package, which is no function: ``ra.archive(…)`` has the hint of its name."""

    def __call__(self, *_, **__):
        from retab_analysis.arguments import unknown_name

        raise unknown_name("ra", self.__name__.rpartition(".")[2], __all__)


class _Package(type(_sys)):
    def __setattr__(self, name, value):
        if getattr(value, "__name__", "") == f"{__name__}.{name}":  # Python has imported it
            value.__class__ = _Room
        super().__setattr__(name, value)


_sys.modules[__name__].__class__ = _Package

if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(
        before=lambda: "polars" in _sys.modules and __getattr__("schema").conversion.before_fork()
    )


def __dir__():
    here = {name for name in globals() if name.startswith("__") or not name.startswith("_")}
    # pydoc writes out all names of ``dir``, in 3,000 lines: help() shows the docstring alone.
    frame = _sys._getframe().f_back
    while frame is not None and frame.f_globals.get("__name__") == "inspect":
        frame = frame.f_back
    if frame is not None and frame.f_globals.get("__name__") == "pydoc":
        return sorted(name for name in here if name.startswith("__"))
    return sorted({*here, *_HOMES, "__version__"})
