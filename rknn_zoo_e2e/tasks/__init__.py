"""The tasks: what is true of each, and from its models' outputs to detections. Nothing here imports torch."""
