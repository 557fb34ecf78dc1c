"""nginx on a node: its masters, its sites and their endpoints, and files outside its loaded configuration."""
