# A component's CMakeLists.txt without a project: ESP-IDF stops at the registration.
macro(idf_component_register)
    set(registered TRUE)
    return()
endmacro()

include(${COMPONENT})
if(NOT registered)
    message(FATAL_ERROR "${COMPONENT} registers no component")
endif()
