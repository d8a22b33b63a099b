#include "common/process.h"
#include "krait/coordinator/command.h"

int main(int argc, char** argv) {
  common::forbid_memory_dumps();  // keys pass through
  return krait::coordinator::run(argc, argv);
}
