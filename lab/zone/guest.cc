// krata-lab-guest: what a zone of tests/xen does beside saying that it is there. Static: a zone has no libraries.
#include <cstdio>

#include "lab/zone/exercise.h"

int main() {
  const auto done = lab::exercise("/dev/xen/xenbus");
  if (!done) {
    std::printf("exercise: %s\n", done.error().text().c_str());
  }
  return done ? 0 : 1;
}
