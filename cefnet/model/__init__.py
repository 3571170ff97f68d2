"""The network of the paper: tensors in, tensors out; it reads no file."""

from cefnet.model.network import CEFNet, Output, PhotoFeatures

__all__ = ["CEFNet", "Output", "PhotoFeatures"]
