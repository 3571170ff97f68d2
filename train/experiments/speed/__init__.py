"""What `python -m train benchmark` measures: latency, memory, the floor, training, start-up."""
