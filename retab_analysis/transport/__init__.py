"""HTTP to the API: one client, one retry loop, every failure as one of our errors.

``client`` makes one call of a request with all its attempts, ``request`` sends one and reads its
whole body, ``deadline`` waits for that no longer than it may, ``response`` says what its status
means, and ``retry`` when it is tried again.
"""

from retab_analysis.transport.client import Client
from retab_analysis.transport.deadline import (
    CancellationToken,
    Cancelled,
    check_cancelled,
    check_time,
    current_token,
)

__all__ = [
    "CancellationToken",
    "Cancelled",
    "Client",
    "check_cancelled",
    "check_time",
    "current_token",
]
