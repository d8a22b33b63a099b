#include "krait/cli/command.h"

int main(int argc, char** argv) { return krait::cli::run(argc, argv); }
