"""The stages in order: prepare, score, plan, compile, simulate, verify.

Each stage is one function; each result is a frozen dataclass that can be saved, so a stage can
start from the file that the one before it wrote.
"""
