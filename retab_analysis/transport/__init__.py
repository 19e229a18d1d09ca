"""HTTP to the API: one client, one retry loop, every failure as one of our errors.

``client`` holds the loop, ``exchange`` one request and its answer (the only user of requests),
``judge`` what an answer's status means, ``schedule`` when to try again.
"""

from retab_analysis.transport.client import Client

__all__ = ["Client"]
