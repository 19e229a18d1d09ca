"""A Retab API on loopback with a believable simulated world; standard library only.

It imports nothing from the client side of this package, so that a mistake there cannot hide by
being made here too.
"""

from retab_analysis.sandbox.http.faults import Fault
from retab_analysis.sandbox.http.server import Server
from retab_analysis.sandbox.sandbox import Sandbox
from retab_analysis.sandbox.store import Store
from retab_analysis.sandbox.world.world import World, build_world

__all__ = [
    "Fault",
    "Sandbox",
    "Server",
    "Store",
    "World",
    "build_world",
]
