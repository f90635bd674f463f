"""Score, plan, lower and verify rolled-out time-series models on Arm microcontrollers."""
