"""Other priors on the between-group scale."""
