/* Lays the calendar clock of one process KRAIT_TEST_SHIFT_S seconds off: LD_PRELOAD=clock_shift.so. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long shift_s(void) {
  const char* text = getenv("KRAIT_TEST_SHIFT_S");
  return text == NULL ? 0 : strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  const long failed = syscall(SYS_clock_gettime, clock, now);
  if (failed == 0 && clock == CLOCK_REALTIME) {
    now->tv_sec += shift_s();
  }
  return (int)failed;
}

time_t time(time_t* also) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (also != NULL) {
    *also = now.tv_sec;
  }
  return now.tv_sec;
}
