"""A worker whose imports take long, with the interpreter's lock held."""

import ctypes

ctypes.PyDLL(None).sleep(600)
