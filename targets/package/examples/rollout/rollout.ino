// The LED shows the sign of the first forecast value; a new forecast every 100 ms.
#include "blink_model.h"

void setup() {
  pinMode(LED_BUILTIN, OUTPUT);
  Serial.begin(115200);
  const tqs_model_status status = blink_begin();
  while (status != TQS_MODEL_OK) {
    Serial.print("weights refused, status ");
    Serial.println((int)status);
    delay(1000);
  }
}

void loop() {
  digitalWrite(LED_BUILTIN, blink_next() ? HIGH : LOW);
  Serial.println(blink_rows[BLINK_KEPT - TQS_MODEL_FEATURES] * TQS_MODEL_SCALE, 5);
  delay(100);
}
