"""What a configuration trains and scores, counted and shown before anything is trained."""
