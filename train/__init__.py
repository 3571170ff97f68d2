"""Training and measuring CEFNet: `python -m train --help`."""
