"""Expressions from masks: says what single things of a photo are. Knows no file and no training."""
