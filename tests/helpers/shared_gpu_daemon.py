"""As `stand_in_daemon`, on a machine with the stand-in's GPUs.

For `python -m tests.helpers.shared_gpu_daemon run --config ...`.
"""

import sys
from functools import partial

from lowkeyd import cli, daemon
from tests.helpers import stand_in, stand_in_nvml

if __name__ == "__main__":
    sys.modules["pynvml"] = stand_in_nvml
    daemon.run = partial(daemon.run, serve=stand_in.serve)
    cli.main()
