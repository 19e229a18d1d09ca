"""Serve the sandbox in a process of its own: ``python -m retab_analysis.sandbox``."""

import argparse
import sys
import threading
from collections.abc import Sequence

from retab_analysis.sandbox.sandbox import Sandbox


def main(arguments: Sequence[str] | None = None, ended: threading.Event | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m retab_analysis.sandbox",
        description="Serve a Retab API with a simulated world on loopback, until Ctrl-C.",
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same world")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="10 is ten times as fast as the real API"
    )
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to each answer")
    parser.add_argument("--key", help="the API key to ask for; by default a random one")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    options = parser.parse_args(arguments)
    try:
        sandbox = Sandbox(options.seed, options.speed, latency=options.latency, key=options.key)
        sandbox.start(options.port)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    with sandbox:
        try:
            credentials = sandbox.credentials
            sys.stdout.write(
                f"export RETAB_API_KEY={credentials['api_key']}\n"
                f"export RETAB_API_BASE_URL={credentials['base_url']}\n"
            )
            sys.stdout.flush()
            ended = ended or threading.Event()
            # An endless wait may sleep through Ctrl-C if another thread gets the signal.
            while not ended.wait(0.2):
                pass
        except KeyboardInterrupt:
            sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
