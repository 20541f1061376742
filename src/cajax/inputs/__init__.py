"""What is done to a model in one run: clamps, currents, noise, spike trains, reward."""
