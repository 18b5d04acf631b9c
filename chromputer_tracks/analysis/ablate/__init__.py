"""What each input is worth: a study of subsets of a configuration's inputs."""
