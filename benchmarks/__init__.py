"""Speed and memory, run by `make bench`; what it prints depends on the machine, ratios less than seconds."""
