// The files that a container finds in /etc whatever its image has there. Pure.
#pragma once

#include <string>

#include "krata/bundle/bundle.h"

namespace krata::init {

std::string hosts_text(const bundle::Bundle& bundle);
// Empty where the host said nothing of it: the image's own stays.
std::string resolver_text(const bundle::Bundle& bundle);

}  // namespace krata::init
