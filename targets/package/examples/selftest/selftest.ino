// Frames of this package that are known, computed again on this board.
#include "model_selftest.h"

void setup() {
  Serial.begin(115200);
}

void loop() {
  const int failed = tqs_model_selftest();
  Serial.println(failed == 0 ? "self-test passed" : "self-test FAILED");
  delay(2000);
}
