"""Render surveillance-like clips in three dimensions: people, vehicles and fire, seen by cameras.

Lengths are metres, times seconds; x points right, y ahead and z up, and the ground is at z = 0.
"""
