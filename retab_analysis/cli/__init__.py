"""The command line: parses, calls and prints."""

from retab_analysis.cli.main import main

__all__ = ["main"]
