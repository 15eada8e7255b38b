"""The real command line and the real daemon, whose worker children run the stand-in for the networks.

For `python -m tests.helpers.stand_in_daemon run --config ...`.
"""

from functools import partial

from lowkeyd import cli, daemon
from tests.helpers import stand_in

if __name__ == "__main__":
    daemon.run = partial(daemon.run, serve=stand_in.serve)
    cli.main()
