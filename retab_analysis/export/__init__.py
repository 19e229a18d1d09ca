"""Frames as CSV and Excel files that lose nothing, and do no harm in a spreadsheet."""

from retab_analysis.export.csv_reader import read_csv
from retab_analysis.export.csv_writer import write_csv
from retab_analysis.export.excel_writer import write_excel

__all__ = ["read_csv", "write_csv", "write_excel"]
