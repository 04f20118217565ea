"""Files people give: how they are named and encoded, and what they hold."""
