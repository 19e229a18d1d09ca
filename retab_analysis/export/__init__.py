"""Frames as CSV files that lose nothing, replace a file whole, and do no harm in a spreadsheet.

``csv_writer`` turns frames into text and ``csv_reader`` turns it back. What they have to agree on
is shared: ``csv_cells`` says what text a value becomes, and ``formula_escaping`` how a cell is
written that a spreadsheet would execute.
"""

from retab_analysis.export.csv_reader import read_csv
from retab_analysis.export.csv_writer import write_csv

__all__ = ["read_csv", "write_csv"]
