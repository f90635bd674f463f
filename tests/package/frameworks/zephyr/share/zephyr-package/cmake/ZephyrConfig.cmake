# What Zephyr does with an application and its modules, as far as these can tell, on this computer
# (cmake/modules/zephyr_module.cmake, kernel.cmake, extensions.cmake of zephyrproject-rtos/zephyr):
# find_package() makes the library `app`, then runs the modules. Options are those of prj.conf;
# what Kconfig makes of them is checked by kconfiglib.
project(Zephyr-Kernel C)
set(stub_dir ${CMAKE_CURRENT_LIST_DIR}/../../..)
add_library(zephyr_interface INTERFACE)
target_include_directories(zephyr_interface INTERFACE ${stub_dir}/include)
add_executable(zephyr_final ${stub_dir}/empty.c)

macro(zephyr_library_named name)
    set(ZEPHYR_CURRENT_LIBRARY ${name})
    add_library(${name} STATIC "")
    target_link_libraries(${name} PUBLIC zephyr_interface)
    set_property(GLOBAL APPEND PROPERTY ZEPHYR_LIBS ${name})
endmacro()

function(zephyr_library_sources)
    target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()

function(zephyr_include_directories)
    target_include_directories(zephyr_interface INTERFACE ${ARGN})
endfunction()

file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/prj.conf options REGEX "^CONFIG_.*=y$")
foreach(option ${options})
    string(REPLACE "=y" "" option ${option})
    set(${option} y)
endforeach()

zephyr_library_named(app)
foreach(module ${ZEPHYR_EXTRA_MODULES})
    file(STRINGS ${module}/zephyr/module.yml folder REGEX "^  cmake:")
    string(REPLACE "  cmake: " "" folder ${folder})
    add_subdirectory(${module}/${folder} ${CMAKE_BINARY_DIR}/module)
endforeach()
get_property(libraries GLOBAL PROPERTY ZEPHYR_LIBS)
target_link_libraries(zephyr_final PRIVATE ${libraries})
