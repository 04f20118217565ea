"""Machines that models are built and run on: what there is, what is missing, and how to get it."""
