"""The bias that the funnel causes."""
