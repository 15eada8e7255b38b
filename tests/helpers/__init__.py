"""What several tests share: a home with a real daemon in it, and stand-ins for what a test machine lacks."""
