#include "krata/cli/asking.h"

int main(int argc, char** argv) {
  return krata::cli::is_asking(argc, argv) ? krata::cli::run_asking(argc, argv)
                                           : krata::cli::become_image_program(argv);
}
