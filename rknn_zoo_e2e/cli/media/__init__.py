"""What ``demo`` and ``bench`` read, draw and write."""
