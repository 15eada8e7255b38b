"""Pixels to protected pixels: the LowKey attack (Cherepanova et al., ICLR 2021, arXiv 2101.07922), and its judges."""
