#include <Arduino.h>

SerialPort Serial;

int main() {
  setup();
  for (int i = 0; i < 40; i++)
    loop();
}
