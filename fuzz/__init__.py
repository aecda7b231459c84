"""Damage files of every kind that the package reads: only named errors may come of it.

Not in the wheel.
"""
