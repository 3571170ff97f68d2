"""Data for training and evaluation: reader, augmentation, generated expressions, batches."""
