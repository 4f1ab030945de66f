"""What each term of the measurement equation means; one file a term."""
