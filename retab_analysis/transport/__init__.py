"""HTTP to the API: one client, one retry loop, every failure as one of our errors.

``client`` makes one call of a request with all its attempts. ``request`` sends one and reads its
whole body, ``deadline`` limits the wait for it. ``response`` interprets the status. ``retry``
decides when to try again, and waits for the rate limit.
"""

from retab_analysis.transport.client import Client as Client
from retab_analysis.transport.deadline import CancellationToken as CancellationToken
from retab_analysis.transport.deadline import Cancelled as Cancelled
from retab_analysis.transport.deadline import check_cancelled as check_cancelled
from retab_analysis.transport.deadline import check_time as check_time
from retab_analysis.transport.deadline import current_token as current_token
