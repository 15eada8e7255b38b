"""SQLite: where every photo stands. The daemon is the only writer; anybody may read."""
