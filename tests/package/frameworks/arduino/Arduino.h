// The core library's calls that the sketches make (arduino/ArduinoCore-API); the level is printed.
#ifndef ARDUINO_H
#define ARDUINO_H
#include <stdint.h>
#include <stdio.h>

enum { LOW = 0, HIGH = 1, OUTPUT = 1, LED_BUILTIN = 13 };

static inline void pinMode(uint8_t, uint8_t) {}
static inline void delay(unsigned long) {}
static inline void digitalWrite(uint8_t, uint8_t level) { printf("%d\n", level); }

struct SerialPort {
  void begin(unsigned long) {}
  void print(const char *text) { fprintf(stderr, "%s", text); }
  void println(const char *text) { fprintf(stderr, "%s\n", text); }
  void println(int value) { fprintf(stderr, "%d\n", value); }
  void println(double value, int digits) { fprintf(stderr, "%.*f\n", digits, value); }
};
extern SerialPort Serial;

void setup();
void loop();
#endif
