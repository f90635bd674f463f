# What ESP-IDF does with a project, as far as a component can tell, on this computer (ESP-IDF
# programming guide, "Build System"; tools/cmake/project.cmake and scripts/
# component_get_requirements.cmake of espressif/esp-idf): every component's CMakeLists.txt is run
# as a script first, for its requirements, then as part of the project.
set(ESP_PLATFORM 1)
set(stub_dir ${CMAKE_CURRENT_LIST_DIR}/../..)

function(idf_component_register)
    cmake_parse_arguments(given "" "" "SRCS;INCLUDE_DIRS;REQUIRES" ${ARGN})
    if(given_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "idf_component_register: ${given_UNPARSED_ARGUMENTS}")
    endif()
    get_filename_component(name ${CMAKE_CURRENT_SOURCE_DIR} NAME)
    add_library(${name} STATIC ${given_SRCS})
    target_include_directories(${name} PUBLIC ${given_INCLUDE_DIRS})
    target_link_libraries(${name} PUBLIC ${given_REQUIRES} freertos)
endfunction()

macro(project name)
    _project(${name} C)
    foreach(own driver freertos)
        add_library(${own} INTERFACE)
        target_include_directories(${own} INTERFACE ${stub_dir}/include)
    endforeach()
    foreach(folder ${EXTRA_COMPONENT_DIRS} ${CMAKE_CURRENT_SOURCE_DIR}/main)
        execute_process(
            COMMAND ${CMAKE_COMMAND} -DESP_PLATFORM=1 -DCOMPONENT=${folder}/CMakeLists.txt
                -P ${stub_dir}/tools/cmake/requirements.cmake
            RESULT_VARIABLE failed)
        if(failed)
            message(FATAL_ERROR "${folder} cannot be run as a script")
        endif()
        get_filename_component(component ${folder} NAME)
        add_subdirectory(${folder} ${CMAKE_BINARY_DIR}/${component})
    endforeach()
    add_executable(firmware ${stub_dir}/start.c)
    target_link_libraries(firmware PRIVATE main)
endmacro()
