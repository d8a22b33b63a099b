// What a path is (docs/misc/xenstore.txt): characters, slashes, lengths, relative paths, special ones. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "krata/store/wire.h"

namespace krata::store {

using DomainId = std::uint32_t;
inline constexpr DomainId kMaxDomainId = 65535;  // domid_t of xen/xen.h

std::string domain_path(std::int64_t domain);  // "/local/domain/5"

// The path in full. One without a leading slash is below the domain's own. Refuses (EINVAL) what is no path: empty,
// other characters than A-Z a-z 0-9 - / _ @, doubled and trailing slashes, too long, special.
Answer<std::string> absolute_path(std::string_view path, DomainId domain);

// "@introduceDomain" and whatever else starts like that.
inline bool is_special(std::string_view path) { return path.starts_with('@'); }
// A special path has no slash in front, but the same characters.
bool is_valid_special(std::string_view path);

// Of absolute paths. "/" is its own parent.
std::string_view parent_of(std::string_view path);
std::string_view leaf_of(std::string_view path);  // "" of "/"

// Whether `path` is `ancestor` or below it, and how many levels.
bool is_within(std::string_view path, std::string_view ancestor);
std::uint32_t levels_between(std::string_view path, std::string_view ancestor);

// Takes the first name off an absolute path that has had its leading slash removed: "a/b" gives "a" and leaves "b".
std::string_view next_name(std::string_view& rest);

}  // namespace krata::store
