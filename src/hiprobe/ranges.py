"""x"""
STALE_S = 60.0
LATEST_S = 1e9
