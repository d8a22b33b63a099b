// What a path names in a JSON document.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace lab {

/*
 * A path is members with dots between, each with any number of brackets behind it: [3] is an element of a list, [] all
 * of them, [name=text] those objects of a list whose member is that text, or of objects that were named already. "." is
 * the whole document. Fails where the path makes no sense; a path that leads nowhere names nothing.
 */
common::Result<std::vector<const common::Json*>> find_path(const common::Json& document, std::string_view path);

// A text without its quotes, anything else as JSON.
std::string plain(const common::Json& value);

}  // namespace lab
