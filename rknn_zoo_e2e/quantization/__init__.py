"""What becomes INT8 and in which range: calibration pictures, ranges, clipping, precision by region."""
