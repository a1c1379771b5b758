"""How much narrower intervals become."""
