"""HTTP to the API: one client, one retry loop, every failure as one of our errors.

``client`` makes one call of a request with all its attempts, ``request`` sends one and reads its
whole body, ``response`` says what its status means, and ``retry`` when it is tried again.
``exchange`` knows how long the attempt under way may wait, ``connection`` keeps to it, and
``cancellation`` stops the requests of other threads.
"""

from retab_analysis.transport.cancellation import CancellationToken
from retab_analysis.transport.client import Client

__all__ = ["CancellationToken", "Client"]
