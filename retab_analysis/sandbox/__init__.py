"""A Retab API on loopback with a believable simulated world; standard library only.

It imports nothing from the client side of this package, so that a mistake there cannot hide by
being made here too. `Sandbox` is all that a user needs.

Requests come in at `http`, are put to the `store`, and it asks the `simulation` how the runs of
the `world` stand at that moment; the `catalog` is what this world is about.
"""

from retab_analysis.sandbox.sandbox import Sandbox as Sandbox
