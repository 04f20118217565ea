"""Python's door, one file a function; ``rknn_zoo_e2e`` itself exports them all."""
