"""Pixels to protected pixels: the LowKey attack (Cherepanova et al., ICLR 2021, arXiv 2101.07922), and its judges."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""Torch's threads wait for each other by spinning, unless told before it is loaded: on a machine that has something
else to do as well they then take twice as long, and the something else too."""
