"""Frames as CSV and Excel files that lose nothing, and do no harm in a spreadsheet."""

from retab_analysis.export.spreadsheets import read_csv as read_csv
from retab_analysis.export.spreadsheets import write_csv as write_csv
from retab_analysis.export.spreadsheets import write_excel as write_excel
