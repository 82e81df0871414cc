"""Networks of other libraries and languages: one file each. What is optional is imported when it is asked for."""
