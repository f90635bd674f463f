"""The float step function as data, and how to evaluate it and roll it out."""
