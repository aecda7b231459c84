"""Damaged files of every kind that the package reads: only named errors may come of them. Not in the wheel."""
