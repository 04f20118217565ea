"""From a bundle to a repository on the Hugging Face Hub."""
