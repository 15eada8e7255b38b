"""Bytes to pixels and back. Pure functions, no files; the only room that knows Pillow."""
