"""What leave-one-out chooses."""
