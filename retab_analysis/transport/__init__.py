"""HTTP to the API: one client, one retry loop, every failure as one of our errors.

``client`` holds the loop, ``exchange`` one request and its answer, ``judge`` what an answer's
status means, ``schedule`` when to try again, ``cancel`` how other threads are stopped.
"""

from retab_analysis.transport.cancellation import Cancel
from retab_analysis.transport.client import Client

__all__ = ["Cancel", "Client"]
