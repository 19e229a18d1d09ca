"""A Retab API on loopback with a believable simulated world; standard library only.

It imports nothing from the client side of this package: a mistake there must not repeat itself here
and hide. Users only need `Sandbox`.

`http` receives requests and passes them to the `store`. The store asks the `simulation` for the
state of the `world`'s runs at that moment. The `catalog` has the data of this world.
"""

from retab_analysis.sandbox.sandbox import Sandbox as Sandbox
