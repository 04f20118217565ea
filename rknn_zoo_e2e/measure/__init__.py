"""What a model is worth: mAP on labelled pictures, and where the time goes."""
