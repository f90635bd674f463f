"""The C package: one directory for CMake, Make, Zephyr, Arduino, PlatformIO and ESP-IDF."""
