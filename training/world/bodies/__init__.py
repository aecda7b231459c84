"""Make people: skeletons, recorded and invented motion, bodies and clothes."""
