// What the data path needs for a plan.
#pragma once

#include <string>

#include "krait/datapath/datapath.h"
#include "krait/plan/plan.h"

namespace krait::enforce {

// Of an interface alone, for finding what is left of it.
datapath::Options datapath_options(const std::string& interface);
datapath::Options datapath_options(const std::string& interface, const plan::Plan& plan, bool is_managed);

}  // namespace krait::enforce
