// What the kernel's command line tells the zone's first process, behind its "--". Pure.
#pragma once

#include <span>
#include <string>

#include "common/result.h"

namespace krata::init {

struct Options {
  std::string bundle = "xvdb";   // the disk with the bundle, below /dev
  std::string channel = "hvc1";  // the terminal that leads to the host, below /dev
};

// "bundle=NAME", "channel=NAME". Other words are the kernel's, which gives its init those that it does not know.
common::Result<Options> parse_options(std::span<const char* const> words);

}  // namespace krata::init
