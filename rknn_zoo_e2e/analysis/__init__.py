"""What eight bits cost each block of a model, and what it costs to leave them there."""
