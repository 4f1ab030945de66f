"""Images of calibrators and targets: weights, gridding, CLEAN, beam, statistics, FITS."""
