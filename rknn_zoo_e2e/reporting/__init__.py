"""One page about a bundle, or about several: its numbers gathered, pictures compared, and drawn as HTML."""
