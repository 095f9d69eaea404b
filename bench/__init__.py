"""Proves or disproves the performance goals: real servers, run in turn, every figure a ratio of two of them.

`python -m bench` runs the rows of `bench/rows/`; `bench/README.md` tells how it measures and what it found.
"""
