"""Jobs: training a network through its stages in a run folder, with controls of equal size."""
