"""A bundle on disk: what it holds, how it is read, checked and written."""
