"""The process that works on photos, what it is told and says, and the daemon's handle on it."""
