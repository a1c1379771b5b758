"""What a gradient and a trajectory cost."""
