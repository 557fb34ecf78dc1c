"""The vocabulary: frozen dataclasses that every stage speaks. Pure; imports nothing of ours."""
