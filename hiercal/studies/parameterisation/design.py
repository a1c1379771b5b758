"""What the study of parameterisations is designed by."""

CODINGS = ("centred", "noncentred")
