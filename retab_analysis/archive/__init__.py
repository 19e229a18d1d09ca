"""A local mirror of the API's records, including those that it forgets: ``Archive``.

``database`` is the SQLite file: its tables, its checks, its locks. ``records`` stores the API's
records and makes frames of them again. ``cache`` keeps these as Parquet files next to it.
``mirror`` follows the API from one sync to the next, and ``archive`` is the public class.
"""

from retab_analysis.archive.archive import Archive

__all__ = ["Archive"]
