"""Which database this version of lowkeyd writes. Apart from its tables, whose library takes long to load."""

from pathlib import Path

SCHEMA_VERSION = 4
"""Kept in the file as `user_version`: where the last step of `migrations.py` leads to."""


def too_new(path: Path, version: int) -> str:
    """What to say of a database that a newer lowkeyd has written."""
    return (
        f"{path}: written by a newer lowkeyd (schema {version}, this one knows {SCHEMA_VERSION}): upgrade lowkeyd, or"
        f" put backups/schema-{SCHEMA_VERSION}-*.sqlite3 in its place"
    )
