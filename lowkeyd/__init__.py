"""lowkeyd watches photo folders and writes copies that face recognition no longer matches to their owner."""

__version__ = "0.1.0"
