"""``python -m rknn_zoo_e2e``."""

from rknn_zoo_e2e.cli import main

if __name__ == "__main__":
    main()
