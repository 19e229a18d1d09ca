"""A comparison as a file for somebody else: Markdown, or one HTML file that needs no network.

``writing`` has ``write_report``; ``facts`` what is said, ``in_markdown`` and ``in_html`` how.
"""

from retab_analysis.report.writing import write_report

__all__ = ["write_report"]
