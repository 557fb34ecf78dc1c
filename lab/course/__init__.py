"""A course: one fault after the other, by difficulty, with a clock, points and a debrief."""
