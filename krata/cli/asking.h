// The commands that only ask kratad: they start with nothing but the C library, and all others are krata-image's, which
// has the libraries of images, registries and kernels.
#pragma once

namespace krata::cli {

// Whether the command line is one of `krata zone` or `krata host`.
bool is_asking(int argc, const char* const* argv);

// Parses, runs, prints; the exit code.
int run_asking(int argc, const char* const* argv);

// Becomes krata-image, which lies beside this program or in ../libexec/krata, with the same words. Where that fails,
// says why and gives the exit code.
int become_image_program(const char* const* argv);

}  // namespace krata::cli
