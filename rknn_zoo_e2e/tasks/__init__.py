"""The four tasks: what is true of each, from its outputs to its drawing. Nothing here imports torch."""
