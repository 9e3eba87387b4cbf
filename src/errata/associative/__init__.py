"""The linear memory W k = v that the closed-form editors share."""
