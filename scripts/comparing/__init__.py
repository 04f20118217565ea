"""What ``scripts/compare_commits.py`` is made of: trees that build, and comparisons of what they built."""
