"""Work that may raise, hang, crash or eat all memory, behind a process boundary: it never takes us along."""
