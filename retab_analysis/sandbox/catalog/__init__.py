"""What the sandbox's world is about, as data: a JSON file for each workflow.

A file holds a workflow's blocks, versions, documents and saved evals, and its story: what goes
wrong when (``incidents``), and which runs there were (``runs``). A day is counted from the day on
which the sandbox starts, so all of them are negative; a time of day is ``"HH:MM"`` in UTC.

- ``blocks``: as `model.Block`; ``input`` is what a function block is given (a path into the
  document's outputs, or several by the name that each has in the input), all others get the file;
  ``config`` is how it is set up in the first version that has it.
- ``versions``: ``day`` and ``at`` (``"09:30"`` if not given); ``changed`` has, for each block that
  it edits, the new values in the block's config by their dotted paths; ``note`` is the release note
  of a version that was published.
- ``documents``: ``key``, ``filename``, ``mime_type``, and ``outputs``: what each block makes of the
  document when it works.
- ``incidents``: as `model.Incident`, where ``versions`` and ``days`` are the first and the last
  (null: no end); ``every_eval`` is what all evals of the workflow give in it, beside those that
  name it.
- ``runs``: as `model.PastRun`, one for each of the ``days``; a list among them is a first, a last
  and perhaps a step.
- ``evals``: by the block that they test: ``document``, ``path``, ``name`` and ``condition`` (where
  what it expects is left out, that is the document's own value). Perhaps ``label``; ``right``, what
  comes out when it passes where that is not the document's own value (several values alternate);
  ``score`` of a passing value, where it cannot be computed; ``since`` and ``until``, the days on
  which it was saved (else by chance) and removed; ``run_step``, where it was saved from a step of a
  run; ``extras``, members of its API document that are not the usual ones; ``edits``, later forms,
  each with its day and the fields that differ. ``fails`` says ``when`` it does not pass (in which
  incident, or at random by ``rate``) and what comes out: one of some ``values``, or ``blocked``
  (``code``, ``message``, perhaps ``value`` and ``details``) or ``error`` (``code``, ``message``,
  perhaps ``context``).
"""
