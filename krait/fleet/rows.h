// Rows as they are stored: JSON, and what krait/trust signs in base64. Every parse_*() takes what a database holds and
// fails with invalid_input, saying which row.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "krait/fleet/network.h"

namespace krait::fleet {

std::string text_of(const Settings& settings);
std::string text_of(const Host& host);
std::string text_of(const Token& token);
std::string text_of(const PolicyText& policy);
common::Result<Settings> parse_settings(std::string_view text);
common::Result<Host> parse_host(std::string_view text);
common::Result<Token> parse_token(std::string_view text);
common::Result<PolicyText> parse_policy_text(std::string_view text);

std::string joined_text(const trust::Joined& joined);
common::Result<trust::Joined> parse_joined(std::string_view text);

// As answers carry it, in base64.
common::Result<trust::Signed<trust::AdminList>> admin_list_at(std::string_view base64);

// Bytes as trust has them, and as texts have them.
trust::BytesView view_of(std::string_view text);
std::string string_of(trust::BytesView bytes);

std::string key_of(std::uint64_t number);  // as digits that sort as numbers do

}  // namespace krait::fleet
