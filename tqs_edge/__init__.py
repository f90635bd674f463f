"""Score, plan, lower and verify rolled-out time-series models on Arm microcontrollers."""

__version__ = "0.1.0"
