"""Speed and memory, measured side by side in one run; each file is a program of its own."""
