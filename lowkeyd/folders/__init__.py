"""The user's disk: what appears in watched folders, and what is written to the outbox."""
