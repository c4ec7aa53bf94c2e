"""From the official archives to arrays ready to train on: archives -> records -> images."""
