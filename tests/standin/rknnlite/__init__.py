"""A stand-in for rknn-toolkit-lite2, the vendor's runtime on a board, for machines without an NPU.

Put the folder this package lies in on ``sys.path`` (or in ``PYTHONPATH``) and import it as the board's own:
``from rknnlite.api import RKNNLite``.
"""
