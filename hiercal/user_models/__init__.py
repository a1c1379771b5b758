"""A story from what a user has: a model, functions, or draws made elsewhere."""
