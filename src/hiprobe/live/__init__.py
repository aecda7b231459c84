"""Cameras in, alerts out. Has no page of its own."""
