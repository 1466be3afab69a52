"""`simgate doctor`: what is right and what is wrong with an installation, in words."""
