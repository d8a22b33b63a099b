# One target a folder. Include paths start at the repository's root, so that an #include names the folder it reaches into
# (tests/layering_test checks them against the dependency law).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(GTest REQUIRED)
include(GoogleTest)

if(KRAIT_SANITIZE AND KRAIT_SANITIZE_THREADS)
  message(FATAL_ERROR "the address and the thread sanitizer do not go together: set one of KRAIT_SANITIZE, KRAIT_SANITIZE_THREADS")
endif()

add_library(krait_flags INTERFACE)
target_compile_definitions(krait_flags INTERFACE
  $<$<OR:$<BOOL:${KRAIT_SANITIZE}>,$<BOOL:${KRAIT_SANITIZE_THREADS}>>:KRAIT_SANITIZED>)
target_include_directories(krait_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(krait_flags INTERFACE fmt::fmt)
target_compile_options(krait_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
  $<$<BOOL:${KRAIT_WERROR}>:-Werror>
  $<$<AND:$<BOOL:${CMAKE_UNITY_BUILD}>,$<CXX_COMPILER_ID:GNU>>:-Wno-subobject-linkage> # a source in another is no header
  # Half a gigabyte before gcc looks for what it may forget, which is more than most files of ours need.
  $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=524288>
  $<$<BOOL:${KRAIT_SANITIZE}>:-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer>
  $<$<BOOL:${KRAIT_SANITIZE_THREADS}>:-fsanitize=thread>
  $<$<BOOL:${KRAIT_FUZZ}>:-fsanitize=fuzzer-no-link>)
# No binding at run time: it would save the registers, with whatever secret is in them, on the stack.
target_link_options(krait_flags INTERFACE
  -Wl,-z,relro,-z,now
  $<$<CXX_COMPILER_ID:Clang>:-fuse-ld=lld> # a quarter of the time
  $<$<BOOL:${KRAIT_SANITIZE}>:-fsanitize=address,undefined>
  $<$<BOOL:${KRAIT_SANITIZE_THREADS}>:-fsanitize=thread>)

if(KRAIT_SANITIZE AND NOT KRAIT_FUZZ)
  set(KRAIT_CHEAPLY -O0)
endif()

# What ./x test builds with clang and the sanitizers, the tests with the labels unit, bpf, netns and images, and what it builds with the compiler of
# what ships: those that measure, and guests' own.
add_custom_target(sanitized_tests)
add_custom_target(release_tests)

# The headers that cost every source file most, compiled once; the lint preset goes without, so that each file says what it needs.
set(KRAIT_COSTLY_HEADERS
  <algorithm> <array> <filesystem> <functional> <map> <memory> <optional> <set> <span> <string> <string_view> <unordered_map>
  <variant> <vector> <fmt/format.h>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang") # gcc takes as long to load them with its others
  list(APPEND KRAIT_COSTLY_HEADERS <chrono> <ranges> <nlohmann/json.hpp>)
endif()
if(CMAKE_CXX_COMPILER_LAUNCHER MATCHES "ccache" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON) # with gcc's, ccache finds nothing again
endif()
file(WRITE ${PROJECT_BINARY_DIR}/nothing.cc "")

# krait_precompiled(NAME [OPTIONS ...] [HEADERS ...]): these as well, for what is compiled with these options.
function(krait_precompiled name)
  cmake_parse_arguments(ARG "" "" "OPTIONS;HEADERS" ${ARGN})
  add_library(${name} OBJECT ${PROJECT_BINARY_DIR}/nothing.cc)
  target_link_libraries(${name} PRIVATE krait_flags)
  target_compile_options(${name} PRIVATE ${ARG_OPTIONS})
  target_precompile_headers(${name} PRIVATE ${KRAIT_COSTLY_HEADERS} ${ARG_HEADERS})
endfunction()
krait_precompiled(krait_headers OPTIONS ${KRAIT_CHEAPLY})
if(KRAIT_CHEAPLY)
  krait_precompiled(krait_computing_headers)
endif()
krait_precompiled(krait_test_headers OPTIONS -O0 HEADERS <gtest/gtest.h>)
target_link_libraries(krait_test_headers PRIVATE GTest::gtest)

# main() of each fuzzer that replays.
add_library(krait_fuzz_replay OBJECT EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/fuzz_replay.cc)
target_link_libraries(krait_fuzz_replay PRIVATE krait_flags)

# krait_library(NAME SOURCES ... DEPS ... PRIVATE_DEPS ... [COMPUTES]): a folder's static library. COMPUTES: it is worth the
# compiler's time to optimize it for the sanitizers too; what they say of the others they say as well without.
function(krait_library name)
  cmake_parse_arguments(ARG "COMPUTES" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC krait_flags ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
  if(ARG_COMPUTES AND KRAIT_CHEAPLY)
    target_precompile_headers(${name} REUSE_FROM krait_computing_headers)
  else()
    target_compile_options(${name} PRIVATE ${KRAIT_CHEAPLY})
    target_precompile_headers(${name} REUSE_FROM krait_headers)
  endif()
endfunction()

# krait_program(NAME SOURCES ... DEPS ...): all programs land in bin/, where they find each other.
function(krait_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE krait_flags ${ARG_DEPS})
  target_compile_options(${name} PRIVATE ${KRAIT_CHEAPLY})
  target_precompile_headers(${name} REUSE_FROM krait_headers)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# krait_own_runtime(PROGRAM): the C++ runtime and fmt in the program itself, as far as it calls them: for what is started often, and for
# processes of which each zone has one, which would have some megabytes more. The sanitizers bring runtimes of their own.
function(krait_own_runtime program)
  if(NOT KRAIT_SANITIZE AND NOT KRAIT_SANITIZE_THREADS)
    target_link_libraries(${program} PRIVATE common_formatting)
    target_link_options(${program} PRIVATE -static-libstdc++ -static-libgcc -Wl,--as-needed -Wl,--gc-sections)
  endif()
endfunction()

# krait_test(NAME SOURCES ... DEPS ... [LABELS ...]): a GoogleTest program, one CTest entry for the whole program. Labels:
# unit (default; no root, seconds), bpf (root), netns (root); besides, threads: run under the thread sanitizer too; release: what it
# asserts of memory or time holds only without a sanitizer.
function(krait_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE krait_flags ${ARG_DEPS} GTest::gtest GTest::gtest_main)
  target_precompile_headers(${name} REUSE_FROM krait_test_headers)
  set_target_properties(${name} PROPERTIES UNITY_BUILD OFF) # each has its own small helpers, of the same names
  target_compile_options(${name} PRIVATE -O0) # a third of the compiler's time, and only what is tested need be fast
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 600)
  foreach(label IN LISTS ARG_LABELS)
    if(label MATCHES "^(unit|bpf|netns)$")
      add_dependencies(sanitized_tests ${name})
    elseif(NOT label STREQUAL "threads")
      add_dependencies(release_tests ${name})
    endif()
  endforeach()
endfunction()

# krait_fuzzer(NAME SOURCES ... DEPS ... CORPUS folder): a libFuzzer target; without KRAIT_FUZZ the same source becomes a
# unit test that replays the corpus.
function(krait_fuzzer name)
  cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE krait_flags ${ARG_DEPS})
  target_compile_options(${name} PRIVATE ${KRAIT_CHEAPLY})
  target_precompile_headers(${name} REUSE_FROM krait_headers)
  if(KRAIT_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_link_libraries(${name} PRIVATE krait_fuzz_replay)
    add_test(NAME ${name}_replay COMMAND ${name} ${ARG_CORPUS} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${name}_replay PROPERTIES LABELS unit TIMEOUT 300)
    add_dependencies(sanitized_tests ${name})
  endif()
endfunction()
