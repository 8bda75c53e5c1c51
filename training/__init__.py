"""Training and measuring the encoder: data, mixtures, losses, the loop, the benchmark."""
