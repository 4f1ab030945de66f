"""What a run delivers: the products as ALMA's pipeline names and packs them, and its report."""
