"""A local mirror of what the API knows, and of what it forgets: ``Archive``.

``database`` is the SQLite file (what it looks like, when it is refused, who may write to it),
``records`` puts records of the API in and makes frames of them again, ``cache`` has those as
Parquet files beside it, ``mirror`` follows the API from one sync to the next, and ``archive`` is
the public class.
"""

from retab_analysis.archive.archive import Archive

__all__ = ["Archive"]
