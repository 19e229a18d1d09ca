"""The sandbox's world as data: a JSON file for each workflow.

A file holds a workflow's blocks, versions, documents and saved evals, and its story: ``incidents``
(when problems occur) and ``runs``. Days are relative to the start of the sandbox, so all of them
are negative; a time of day is ``"HH:MM"`` in UTC.

- ``blocks``: as `model.Block`. ``input`` is the input of a function block: a path into the
  document's outputs, or several by their names in the input. All others get the file. ``config`` is
  its configuration in its first version.
- ``versions``: ``day`` and ``at`` (default: ``"09:30"``). ``changed`` has, for each edited block,
  the new values in its config by their dotted paths. ``note`` is the release note of a published
  version.
- ``documents``: ``key``, ``filename``, ``mime_type``, and ``outputs``: each block's correct output
  for the document.
- ``incidents``: as `model.Incident`. ``versions`` and ``days`` are the first and the last (null: no
  end). ``every_eval`` is the outcome of all evals of the workflow in it, in addition to those that
  name it.
- ``runs``: as `model.PastRun`, one for each of the ``days``; a list among them is a first, a last
  and perhaps a step.
- ``evals``, by their block: ``document``, ``path``, ``name`` and ``condition`` (by default it
  expects the document's own value). Perhaps ``label``; ``right``, the output of a pass if that is
  not the document's own value (several values alternate). Perhaps ``score`` of a passing value, if
  it cannot be computed; ``since`` and ``until``, the days when it was saved (else by chance) and
  removed. Perhaps ``run_step``, if it was saved from a step of a run, and ``extras``, unusual
  members of its API document. Perhaps ``edits``, later forms, each with its day and the fields that
  differ. ``fails`` tells ``when`` it does not pass (in which incident, or at random by ``rate``),
  perhaps ``unless`` its block's prompt has some words, and its output: one of some ``values``, or
  ``blocked`` (``code``, ``message``, perhaps ``value`` and ``details``) or ``error`` (``code``,
  ``message``, perhaps ``context``).
"""
