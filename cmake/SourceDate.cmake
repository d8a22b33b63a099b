# KRAIT_SOURCE_DATE: when the sources are from, in Unix seconds. No clock that shows an earlier time is right. Not the date of the
# build: the same sources give the same programs.
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  set(KRAIT_SOURCE_DATE $ENV{SOURCE_DATE_EPOCH})
else()
  execute_process(
    COMMAND git -c safe.directory=* log -1 --format=%ct
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    OUTPUT_VARIABLE KRAIT_SOURCE_DATE
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT KRAIT_SOURCE_DATE MATCHES "^[0-9]+$")
  set(KRAIT_SOURCE_DATE 1735689600) # 2025-01-01: before that day nobody had krait
endif()
