"""Make fire, smoke, explosions, and what looks like them."""
