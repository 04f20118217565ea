"""The commands as they are typed: a file each, with options, defaults and help.

What a command does is in ``rknn_zoo_e2e.cli``, in the module of the same name. It is imported once the command runs, so
that ``--help`` loads nothing but this.
"""
