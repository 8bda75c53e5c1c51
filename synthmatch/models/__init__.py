"""The released encoder, its model card, and the frozen labels that its benchmark uses."""
