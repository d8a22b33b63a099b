// Numbers for identities that pin none.
#pragma once

#include <vector>

#include "krait/model/policy.h"

namespace krait::model {

// Gives every identity whose tag is 0 a tag made from its name. The same set of identities gets the same tags in
// whatever order it is written; a tag changes only where a name or a pinned tag newly collides with it (one in four
// thousand million for each pair). Names and pinned tags are unique. O(n log n).
void assign_tags(std::vector<Identity>& identities);

}  // namespace krait::model
