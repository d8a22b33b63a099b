// krata-image: all commands of `krata`, for which krata becomes it.
#include "krata/cli/command.h"

int main(int argc, char** argv) { return krata::cli::run(argc, argv); }
