"""The Hugging Face Hub: bundles out (publish) and in (pull)."""
