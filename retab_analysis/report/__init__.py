"""A comparison as a file for somebody else: Markdown, or one HTML file that needs no network."""

from retab_analysis.report.writing import write_report

__all__ = ["write_report"]
