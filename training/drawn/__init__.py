"""Render drawn scenes: flat figures made of vector primitives, in front of painted backgrounds.

The first renderer. The evaluation clips of the card are still made with it, and the shipped sample
clips; training uses `training.world`.
"""
