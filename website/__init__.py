"""How the site of `docs/` and the notebook are made; not in the package."""
