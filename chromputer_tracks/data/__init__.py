"""Numpy only: files and intervals to the arrays that training and inference share."""
