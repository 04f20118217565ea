"""The torch side: decode tails that replace the forward of Ultralytics' heads."""
