"""The vendor's toolkit behind a process boundary: it may raise, return -1, print or die without taking us along."""
