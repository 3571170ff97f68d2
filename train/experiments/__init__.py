"""What the docs report and training does not need: the ablation, the benchmark, the paper's tables."""
