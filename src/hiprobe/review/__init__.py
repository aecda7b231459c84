"""The review page: see results, correct them, refit the probe. Needs the extra `review`; `server.serve` starts it."""
