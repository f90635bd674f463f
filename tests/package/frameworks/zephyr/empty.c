/* The linker takes main from the library `app`. */
extern int zephyr_nothing;
