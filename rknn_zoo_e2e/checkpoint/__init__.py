"""A ``.pt`` file as data: what it is, and the model in it, without running what is in it."""
