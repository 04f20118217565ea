"""The Hugging Face Hub as it is read: its client, what a repository holds, and bundles from it."""
