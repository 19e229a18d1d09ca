"""A program that runs beside the tests, and is asked line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Self


class Program:
    """A script, or a module after ``-m``, that runs until its input ends; a context manager."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        self._command = [sys.executable, "-W", "ignore", *map(str, arguments)]
        self._environment = {**os.environ, **environment}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=self._environment,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()

    def ask(self, **request: Any) -> Any:
        """Send a request and wait for what comes back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command[3:]} has ended; see its standard error")
        return json.loads(line)
