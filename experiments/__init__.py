"""The experiments of the paper, and some beyond it, on any data set and model: `python -m experiments.NAME`."""
