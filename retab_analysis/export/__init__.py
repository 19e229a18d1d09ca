"""Frames as CSV and Excel files that lose nothing, and do no harm in a spreadsheet.

``csv_cells`` says what text a value becomes, and what is done to one that a spreadsheet would
execute; ``csv_writer``, ``csv_reader`` and ``excel_writer`` hold a public function each.
"""

from retab_analysis.export.csv_reader import read_csv as read_csv
from retab_analysis.export.csv_writer import write_csv as write_csv
from retab_analysis.export.excel_writer import write_excel as write_excel
