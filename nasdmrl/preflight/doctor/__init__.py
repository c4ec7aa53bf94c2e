"""What a run needs, checked before anything is submitted (`nasdmrl doctor`)."""
