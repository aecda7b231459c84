"""Run the experiments of the paper, and some beyond it, on any data set and model.

Each one is a command: `python -m experiments.NAME`.
"""
