"""What a preset is: states, listings, banks, families, and the file formats that hold them."""
