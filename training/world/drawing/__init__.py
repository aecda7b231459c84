"""Draw places and shapes into pixels."""
