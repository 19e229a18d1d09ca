"""Frames as CSV files that lose nothing, replace a file whole, and do no harm in a spreadsheet.

``writing`` turns frames into text and ``reading`` turns it back; ``guard`` is the rule for cells
that a spreadsheet would execute, which both of them share; ``files`` replaces a file atomically.
"""

from retab_analysis.export.csv_reader import read_csv
from retab_analysis.export.csv_writer import write_csv

__all__ = ["read_csv", "write_csv"]
