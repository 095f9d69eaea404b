"""The list of operations, from which both doors are derived, and the seam through which both call."""
