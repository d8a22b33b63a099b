#include "krata/cli/command.h"

int main(int argc, char** argv) { return krata::cli::run(argc, argv); }
